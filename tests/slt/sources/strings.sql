-- functions of strings
SELECT 'a' || 'b';
SELECT 'a' || 1;
SELECT 1 || 'a';
SELECT 'a' || NULL;
SELECT length('hello');
SELECT length('');
SELECT char_length('häuser');
SELECT character_length('日本');
SELECT octet_length('häuser');
SELECT bit_length('a');
SELECT upper('abc');
SELECT lower('ABC');
-- differs: case is mapped as Unicode has it for whole words, not letter by letter
SELECT upper('straße');
SELECT lower('ÄÖÜ');
SELECT initcap('hello world-wide web');
SELECT substring('hello' FROM 2 FOR 3);
SELECT substring('hello' FROM 2);
SELECT substring('hello', 2, 3);
SELECT substr('hello', 2);
SELECT substr('hello', -1, 4);
SELECT substring('hello' FROM 0 FOR 2);
SELECT substring('hello' FROM 10);
SELECT substring('hello' FOR 2);
SELECT substring('hello', 1, -1);
SELECT left('hello', 2);
SELECT right('hello', 2);
SELECT left('hello', -2);
SELECT right('hello', -2);
SELECT left('hello', 0);
SELECT left('hello', 99);
SELECT trim('  a  ');
SELECT ltrim('  a  ');
SELECT rtrim('  a  ') || '|';
SELECT btrim('xxaxx', 'x');
SELECT trim(BOTH 'x' FROM 'xxaxx');
SELECT trim(LEADING 'x' FROM 'xxaxx');
SELECT trim(TRAILING 'x' FROM 'xxaxx');
SELECT ltrim('xyxa', 'xy');
SELECT rtrim('axyx', 'xy');
SELECT lpad('7', 3, '0');
SELECT rpad('7', 3, '0');
SELECT lpad('hello', 2);
SELECT rpad('hello', 2);
SELECT lpad('a', 5, 'xy');
SELECT lpad('a', 3);
SELECT lpad('a', 5, '');
SELECT position('l' IN 'hello');
SELECT position('z' IN 'hello');
SELECT strpos('hello', 'lo');
SELECT strpos('hello', '');
SELECT position('ü' IN 'grün');
SELECT replace('hello', 'l', 'L');
SELECT replace('hello', 'x', 'y');
SELECT replace('aaa', 'a', '');
SELECT replace('abc', '', 'x');
SELECT translate('12345', '143', 'ax');
SELECT translate('abc', 'abc', 'xyz');
SELECT reverse('abc');
SELECT reverse('äb');
SELECT repeat('ab', 3);
SELECT repeat('a', 0);
SELECT repeat('a', -1);
SELECT split_part('a,b,c', ',', 2);
SELECT split_part('a,b,c', ',', 5);
SELECT split_part('a,b,c', ',', -1);
SELECT split_part('abc', '', 1);
SELECT split_part('a,b,c', ',', 0);
-- differs: a function of strings differs in a detail
SELECT concat('a', 1, NULL, true);
SELECT concat_ws(',', 'a', NULL, 'b');
SELECT concat_ws(NULL, 'a', 'b');
SELECT concat();
SELECT concat(NULL, NULL);
SELECT concat_ws('-', 1, 2, 3);
SELECT ascii('a');
SELECT ascii('ä');
SELECT chr(65);
SELECT chr(228);
SELECT ascii('');
SELECT chr(0);
SELECT md5('hello');
SELECT md5('');
SELECT encode(sha256('hello'::bytea), 'hex');
SELECT overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4);
SELECT overlay('abcdef' PLACING 'xx' FROM 3);
SELECT starts_with('hello', 'he');
SELECT starts_with('hello', 'lo');
SELECT to_hex(255);
-- differs: a function of strings differs in a detail
SELECT to_hex(-1::int);
-- differs: this function is not built
SELECT quote_literal('it''s');
-- differs: this function is not built
SELECT quote_ident('a b');
-- differs: this function is not built
SELECT quote_ident('ab');
-- differs: this function is not built
SELECT quote_nullable(NULL);
-- differs: this function is not built
SELECT format('Hello %s, %s', 'World', 1);
-- differs: this function is not built
SELECT format('%I = %L', 'a b', 'it''s');
-- differs: this function is not built
SELECT format('%%');
-- differs: this function is not built
SELECT format('%2$s %1$s', 'a', 'b');
SELECT string_to_array('a,b,c', ',');
SELECT string_to_array('a,b,,c', ',', '');
SELECT array_to_string(ARRAY[1,2,NULL,3], ',');
SELECT array_to_string(ARRAY[1,2,NULL,3], ',', '*');
SELECT btrim('  x ');
SELECT length(btrim('  x '));
SELECT 'abc' LIKE 'abc';
SELECT 'abc' LIKE 'a%';
SELECT 'abc' LIKE '_b_';
SELECT 'abc' LIKE 'c';
SELECT 'abc' NOT LIKE 'a%';
SELECT 'abc' LIKE '%c';
SELECT '' LIKE '%';
SELECT '' LIKE '_';
SELECT 'ABC' LIKE 'abc';
SELECT 'ABC' ILIKE 'abc';
SELECT 'ABC' ILIKE 'a%';
SELECT 'ÄB' ILIKE 'äb';
SELECT 'abc' NOT ILIKE 'B%';
SELECT 'a%c' LIKE 'a\%c';
SELECT 'abc' LIKE 'a\%c';
SELECT 'a_c' LIKE 'a\_c';
SELECT 'abc' LIKE 'a\_c';
SELECT 'a%c' LIKE 'a!%c' ESCAPE '!';
SELECT 'abc' LIKE 'a!%c' ESCAPE '!';
SELECT 'a\c' LIKE 'a\c' ESCAPE '';
SELECT 'a\b' LIKE 'a\\b';
SELECT 'a' LIKE 'a\';
SELECT NULL LIKE 'a';
SELECT 'a' LIKE NULL;
SELECT NULL NOT LIKE 'a';
SELECT 'a' || chr(10) || 'b' LIKE 'a%b';
SELECT 'a' || chr(10) || 'b' LIKE 'a_b';
SELECT 'abc' SIMILAR TO 'abc';
SELECT 'abc' SIMILAR TO 'a';
SELECT 'abc' SIMILAR TO '%(b|d)%';
SELECT 'abc' SIMILAR TO '(b|c)%';
SELECT 'abc' NOT SIMILAR TO 'a%';
SELECT 'aaa' SIMILAR TO 'a+';
SELECT 'aaab' SIMILAR TO 'a{3}b';
SELECT 'ab' SIMILAR TO 'a_';
SELECT 'abc' ~ 'b';
SELECT 'abc' ~ '^b';
SELECT 'ABC' ~* 'b';
SELECT 'abc' !~ 'x';
SELECT 'ABC' !~* 'B';
SELECT 'abc' ~ '^a.c$';
SELECT 'abc123' ~ '\d+';
SELECT 'abc' ~ '\d';
SELECT 'a b' ~ '\s';
-- differs: a function of strings differs in a detail
SELECT 'foo bar' ~ '\mbar';
SELECT 'abc' ~ '[[:alpha:]]+';
SELECT regexp_replace('hello world', 'o', '0');
SELECT regexp_replace('hello world', 'o', '0', 'g');
SELECT regexp_replace('Hello', 'h', 'j', 'i');
SELECT regexp_replace('John Smith', '(\w+) (\w+)', '\2 \1');
SELECT regexp_replace('abc', '(b)', '[\1]');
-- differs: a function of strings differs in a detail
SELECT regexp_replace('abc', 'b', '[\&]');
SELECT regexp_match('foobarbequebaz', '(bar)(beque)');
SELECT regexp_match('abc', 'x');
SELECT regexp_match('abc', 'b');
SELECT regexp_count('ababab', 'ab');
SELECT regexp_like('abc', 'B', 'i');
-- differs: this function is not built
SELECT regexp_substr('foobar', 'o+');
SELECT regexp_instr('foobar', 'b');
-- differs: this function is not built
SELECT regexp_split_to_array('a1b2c', '\d');
SELECT 'abc' ~ '(';
SELECT 'abc' < 'abd';
SELECT 'abc' = 'abc ';
SELECT 'a' < 'B';
SELECT 'Z' < 'a';
SELECT 'ä' > 'z';
SELECT 'it''s';
SELECT 'a"b';
SELECT E'a\nb';
SELECT E'tab\there';
SELECT E'\u00e4';
-- differs: literals with U& are refused
SELECT U&'\00e4';
SELECT $$dollar 'quoted'$$;
SELECT $tag$a $$ b$tag$;
SELECT 'abc'::varchar(2);
SELECT 'abc'::char(5) || '|';
SELECT 'abc'::text;
SELECT 'abc'::varchar;
SELECT 'a'::char(3) = 'a';
-- differs: decimals have one scale for a whole column
SELECT length('a  '::char(3));
SELECT cast('12' AS int) + 1;
SELECT '12'::bigint;
SELECT ' 12 '::int;
SELECT '-5'::smallint;
SELECT '+5'::int;
SELECT 'abc'::int;
SELECT ''::int;
SELECT '1.5'::int;
SELECT '99999999999'::int;
-- differs: decimals have one scale for a whole column
SELECT '1.5'::numeric;
-- differs: decimals have one scale for a whole column
SELECT '1e3'::numeric;
-- differs: decimals have one scale for a whole column
SELECT '.5'::numeric;
-- differs: decimals have one scale for a whole column
SELECT '1.'::numeric;
SELECT '1e3'::float8;
SELECT 'x'::numeric;
SELECT 'x'::float8;
SELECT '1e400'::float8;
SELECT upper(NULL);
SELECT length(NULL);
SELECT substring(NULL FROM 1);
SELECT lpad(NULL, 3, 'x');
SELECT replace('a', NULL, 'b');
SELECT repeat(NULL, 2);
-- differs: this function is not built
SELECT unistr('\0061');
-- differs: this function is not built
SELECT normalize('a' || U&'\0308', NFC) = 'ä';
-- differs: case is mapped as Unicode has it for whole words, not letter by letter
SELECT lower('İ') = 'i̇';
SELECT length('👍🏽');
SELECT reverse('👍a');
-- differs: case is mapped as Unicode has it for whole words, not letter by letter
SELECT upper('ﬁ');
SELECT substr('日本語', 2, 1);
SELECT left('日本語', 1);
SELECT lpad('日', 3, '本');
SELECT strpos('日本語', '語');
SELECT string_agg(x, ',' ORDER BY x) FROM (VALUES ('b'), ('a'), (NULL), ('c')) t(x);
SELECT string_agg(x, ',' ORDER BY x DESC) FROM (VALUES ('b'), ('a'), (NULL), ('c')) t(x);
SELECT string_agg(DISTINCT x, '-' ORDER BY x) FROM (VALUES ('b'), ('a'), ('b')) t(x);
SELECT string_agg(x, ',') FROM (VALUES ('b')) t(x) WHERE false;
SELECT x FROM (VALUES ('b'), ('a'), ('B'), ('A'), ('ä'), ('z'), ('_'), ('1'), ('')) t(x) ORDER BY x;
SELECT min(x), max(x) FROM (VALUES ('b'), ('a'), ('B'), ('z')) t(x);
-- differs: accepts what PostgreSQL refuses
SELECT 'a' 'b';
SELECT 'abc' || 'def' LIKE 'abc%';
-- differs: a function of strings differs in a detail
SELECT '\x0aff'::bytea, 'abc'::bytea, length('abc'::bytea), '\x00'::bytea || '\xff'::bytea;
-- differs: another SQLSTATE
SELECT '\xzz'::bytea;
SELECT encode('abc'::bytea, 'hex');
SELECT encode('abc'::bytea, 'base64');
SELECT decode('616263', 'hex');
SELECT decode('YWJj', 'base64');
SELECT '\x01'::bytea < '\x02'::bytea, '\x01'::bytea = '\x01'::bytea;
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid;
SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid;
SELECT '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}'::uuid;
SELECT 'a0eebc99'::uuid;
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid = 'a0eebc999c0b4ef8bb6d6bb9bd380a11'::uuid;
SELECT gen_random_uuid() <> gen_random_uuid();
SELECT length(gen_random_uuid()::text);
-- differs: this function is not built
SELECT parse_ident('a.b');
SELECT 'x' IS OF (text);
SELECT upper(1);
SELECT nosuchfunction(1);
SELECT upper('a', 'b');
-- differs: another SQLSTATE
SELECT 1 + 'a';
-- differs: not built in this form
SELECT '1' + 1;
-- differs: not built in this form
SELECT '2' * 3;
-- differs: not built in this form
SELECT 10 - '4';
-- differs: another SQLSTATE
SELECT 'a' + 'b';
SELECT true || 'a';
SELECT 1.5 || 'x';
SELECT DATE '2024-01-01' || 'd';
