-- whole numbers
SELECT 1 + 2;
SELECT 7 - 10;
SELECT 6 * 7;
SELECT -3;
SELECT 7 / 2;
SELECT -7 / 2;
SELECT 7 / -2;
SELECT -7 / -2;
SELECT 7 % 2;
SELECT -7 % 2;
SELECT 7 % -2;
SELECT -7 % -2;
SELECT 5 / 0;
SELECT 5 % 0;
SELECT 0 / 5;
SELECT 0 % 5;
SELECT 32767::smallint + 1::smallint;
SELECT 2147483647::int + 1::int;
SELECT 9223372036854775807 + 1;
SELECT -9223372036854775807 - 2;
SELECT 9223372036854775807 * 2;
SELECT (-9223372036854775807 - 1) / -1;
SELECT (-9223372036854775807 - 1) % -1;
SELECT -32768::smallint;
SELECT (-32768)::smallint;
SELECT 32768::smallint;
SELECT 2147483648::int;
SELECT 9223372036854775808::bigint;
SELECT abs(-5);
SELECT abs(5);
SELECT abs(0);
SELECT abs(-5.25);
SELECT abs(-1.5::float8);
SELECT abs((-32768)::smallint);
SELECT abs((-2147483647 - 1)::int);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT sign(-3.5);
SELECT sign(0);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT sign(10.2);
SELECT mod(10, 3);
SELECT mod(-10, 3);
SELECT mod(10, -3);
SELECT mod(10.5, 3);
SELECT mod(1, 0);
-- differs: this function is not built
SELECT div(7, 2);
-- differs: this function is not built
SELECT div(-7, 2);
-- differs: this function is not built
SELECT div(7.5, 2);
-- differs: this function is not built
SELECT div(1, 0);
SELECT power(2, 10);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT power(2.0, 3);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT power(9, 0.5);
SELECT 2 ^ 10;
SELECT 2 ^ -1;
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT 2.0 ^ 3;
SELECT sqrt(16);
SELECT sqrt(2::float8);
SELECT sqrt(-1);
-- differs: decimals have one scale for a whole column
SELECT cbrt(27);
SELECT exp(0);
SELECT ln(1);
SELECT exp(1::float8);
SELECT ln(10::float8);
SELECT log(100::float8);
SELECT log10(1000::float8);
SELECT ln(0);
SELECT ln(-1);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT log(2.0, 64.0);
SELECT gcd(12, 18);
SELECT lcm(4, 6);
SELECT gcd(0, 5);
SELECT lcm(0, 5);
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
SELECT factorial(5);
SELECT 5 & 3;
SELECT 5 | 3;
SELECT 5 # 3;
SELECT ~5;
SELECT 1 << 4;
SELECT 256 >> 4;
SELECT 17 & 5 | 8;
SELECT greatest(1, 5, 3);
SELECT least(1, 5, 3);
SELECT greatest(1, NULL, 3);
SELECT least(NULL, NULL);
SELECT greatest('a', 'b');
SELECT least('2024-01-01'::date, '2023-01-01'::date);
SELECT 1 < 2;
SELECT 2 <= 2;
SELECT 3 > 4;
SELECT 3 >= 3;
SELECT 1 = 1;
SELECT 1 <> 1;
SELECT 1 != 2;
SELECT 1 BETWEEN 0 AND 2;
SELECT 3 BETWEEN 0 AND 2;
SELECT 1 NOT BETWEEN 0 AND 2;
SELECT 2 BETWEEN 2 AND 2;
-- differs: BETWEEN SYMMETRIC is refused
SELECT 1 BETWEEN SYMMETRIC 2 AND 0;
SELECT 2 + 3 * 4;
SELECT (2 + 3) * 4;
SELECT 2 - 3 - 4;
SELECT 100 / 10 / 2;
-- differs: decimals have one scale for a whole column
SELECT -2 ^ 2;
SELECT - - 5;
SELECT + 5;
SELECT -(-5);
SELECT 1::bigint + 1::int;
SELECT 1::int * 1::smallint;
-- differs: this function is not built
SELECT width_bucket(5.35, 0.024, 10.06, 5);
-- differs: this function is not built
SELECT width_bucket(35, 0, 100, 10);
-- differs: decimals have one scale for a whole column
SELECT trunc(42.8);
-- differs: decimals have one scale for a whole column
SELECT trunc(-42.8);
-- differs: decimals have one scale for a whole column
SELECT trunc(42.4382, 2);
-- differs: decimals have one scale for a whole column
SELECT trunc(1234.5, -2);
SELECT round(42.4);
SELECT round(42.5);
SELECT round(43.5);
SELECT round(-42.5);
SELECT round(-2.5);
SELECT round(42.4382, 2);
SELECT round(1234.56, -1);
SELECT round(0.5);
SELECT round(1.5);
SELECT round(2.5);
SELECT round(2.5::float8);
SELECT round(3.5::float8);
SELECT round(-2.5::float8);
SELECT round(0.5::float8);
-- differs: decimals have one scale for a whole column
SELECT ceil(42.2);
-- differs: decimals have one scale for a whole column
SELECT ceil(-42.8);
-- differs: decimals have one scale for a whole column
SELECT floor(42.8);
-- differs: decimals have one scale for a whole column
SELECT floor(-42.2);
-- differs: decimals have one scale for a whole column
SELECT ceiling(1.0);
SELECT ceil(4.2::float8);
SELECT floor(-4.2::float8);
-- decimals
SELECT 1.5 + 2.25;
SELECT 1.5 - 2.25;
SELECT 1.5 * 2.25;
SELECT -1.50;
SELECT 0.1 + 0.2;
SELECT 0.1 * 0.1;
SELECT 1.10 - 1.1;
SELECT 0.1 + 0.2 = 0.3;
SELECT 10.0 % 3;
SELECT 10.5 % 3.2;
SELECT -10.5 % 3.2;
SELECT 10.0 % 0;
SELECT 1.0 / 0;
SELECT 10.0 / 4;
-- differs: decimals have one scale for a whole column
SELECT 1.0 / 3;
-- differs: decimals have one scale for a whole column
SELECT 2.0 / 3;
SELECT 100.0 / 3;
SELECT 12345.678 / 7;
SELECT 22 / 7.0;
SELECT round(10.0 / 3, 4);
SELECT round(2.0 / 3, 10);
SELECT round(1 / 7.0, 12);
SELECT 123.456::numeric(10,2);
SELECT 123.455::numeric(10,2);
SELECT -123.455::numeric(10,2);
SELECT 0.005::numeric(3,2);
SELECT 12345.6::numeric(5,2);
SELECT 99.995::numeric(4,2);
SELECT 1e10;
SELECT 1e-5;
SELECT 1.5e3;
SELECT 12e0;
SELECT 1.0 = 1.00;
SELECT 1.0 = 1;
SELECT 1.00::text;
SELECT (1.0 * 1.00)::text;
SELECT 12345678901234567890 + 1;
SELECT 99999999999999999999 * 2;
SELECT 0.000000000001 * 1000000;
-- differs: decimals have one scale for a whole column
SELECT 1.23::numeric;
SELECT 1.230::numeric(8,4);
SELECT 5::numeric(5,1);
SELECT 3.7::int;
SELECT -3.7::int;
SELECT 3.5::int;
SELECT 2.5::int;
SELECT -2.5::int;
SELECT 0.4::bigint;
SELECT 1e20::bigint;
-- differs: decimals have one scale for a whole column
SELECT 5::numeric / 2;
SELECT 7::numeric(10,2) / 2;
-- differs: this function is not built
SELECT scale(1.230);
-- differs: this function is not built
SELECT trim_scale(1.2300);
-- differs: this function is not built
SELECT min_scale(1.2300);
-- differs: decimals have one scale for a whole column
SELECT sum(x), avg(x), min(x), max(x) FROM (VALUES (1.5), (2.25), (3.0)) t(x);
SELECT 1.5 > 1;
SELECT 1.5 < 2;
SELECT 2.0 = 2;
SELECT 1.5 <> 1.50;
-- differs: decimals have one scale for a whole column
SELECT x FROM (VALUES (1.5), (1.25), (10)) t(x) ORDER BY x;
-- floats
SELECT 1::float8 / 3;
SELECT 2::float8 / 3;
SELECT 1e300::float8 * 10;
SELECT 0.1::float8 + 0.2::float8;
SELECT 1.5::float8;
SELECT 100::float8;
SELECT 1e20::float8;
SELECT 1e-7::float8;
SELECT 123456789.123::float8;
SELECT 1e15::float8;
SELECT 1e16::float8;
SELECT 1e14::float8;
SELECT 0.0001::float8;
SELECT 0.00001::float8;
SELECT 3.14::real;
SELECT 1e10::real;
SELECT 16777216::real;
SELECT 0.1::real;
SELECT 'NaN'::float8;
SELECT 'Infinity'::float8;
SELECT '-Infinity'::float8;
SELECT 'NaN'::float8 = 'NaN'::float8;
SELECT 'NaN'::float8 > 'Infinity'::float8;
SELECT 'inf'::float8 > 1e308::float8;
SELECT 1::float8 / 0;
SELECT 0::float8 / 0;
SELECT 1e308::float8 * 10;
SELECT 'Infinity'::float8 - 'Infinity'::float8;
SELECT 'Infinity'::float8 * 0;
SELECT 3.7::float8::int;
SELECT 2.5::float8::int;
SELECT 3.5::float8::int;
SELECT -2.5::float8::int;
SELECT 1e10::float8::int;
SELECT 'NaN'::float8::int;
SELECT 1.5::real + 1.5::float8;
SELECT 1.5::real * 2;
SELECT 0.1::real::float8;
SELECT -0.0::float8;
SELECT 0.0::float8 = -0.0::float8;
SELECT pi();
SELECT degrees(pi());
SELECT radians(180::float8);
SELECT sin(0);
SELECT cos(0);
SELECT tan(0);
SELECT asin(1);
SELECT acos(1);
SELECT atan(1);
SELECT atan2(1, 1);
SELECT round(sinh(1)::numeric, 10);
SELECT round(cosh(1)::numeric, 10);
SELECT round(tanh(1)::numeric, 10);
SELECT acos(2);
SELECT 1.1::float8 = 1.1;
SELECT 1.1::real = 1.1::float8;
-- differs: accepts what PostgreSQL refuses
SELECT 5.0::float8 % 3;
SELECT x FROM (VALUES ('NaN'::float8), (1), ('-Infinity'), ('Infinity'), (0)) t(x) ORDER BY x;
SELECT 7.0::float8::text;
SELECT 1e100::float8::text;
SELECT 1.5e-10::float8::text;
SELECT 'NaN'::float8::text;
SELECT 1234567::real;
SELECT 12345678::real;
SELECT 123456789::real;
SELECT 4 / 2.0::float8;
SELECT 7 / 2::float8;
SELECT 2147483647::int + 1.0;
SELECT 1::int / 2.0::float8;
