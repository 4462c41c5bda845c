CREATE TABLE dept (id int PRIMARY KEY, name text NOT NULL, budget numeric(12,2));
CREATE TABLE emp (id int PRIMARY KEY, name text, dept_id int, salary numeric(10,2), hired date, boss int, rating float8);
INSERT INTO dept VALUES (1, 'sales', 1000.50), (2, 'tech', 5000.00), (3, 'empty', NULL), (4, 'legal', 250.25);
INSERT INTO emp VALUES (1, 'ann', 1, 100.00, '2020-01-15', NULL, 4.5), (2, 'bob', 1, 80.50, '2021-03-01', 1, 3.25), (3, 'cid', 2, 120.25, '2019-07-30', 1, NULL), (4, 'dee', 2, 95.00, '2022-02-28', 3, 5), (5, 'eve', 2, 95.00, '2020-12-31', 3, 2.75), (6, 'fay', NULL, 70.00, '2023-06-15', 2, 4.5), (7, NULL, 4, NULL, NULL, 2, 1.5), (8, 'hal', 9, 60.75, '2018-11-11', 7, 3.25);
-- aggregates and groups
SELECT count(*), count(name), count(dept_id), count(DISTINCT dept_id), count(1) FROM emp;
SELECT sum(id), sum(salary), sum(rating) FROM emp;
SELECT avg(id) FROM emp;
SELECT avg(salary) FROM emp;
SELECT avg(rating) FROM emp;
SELECT round(avg(salary), 4), round(avg(id), 6) FROM emp;
SELECT min(name), max(name), min(salary), max(salary), min(hired), max(hired) FROM emp;
SELECT sum(id), count(*), max(name) FROM emp WHERE false;
SELECT dept_id, count(*), sum(salary) FROM emp GROUP BY dept_id;
SELECT dept_id, count(*) FROM emp WHERE false GROUP BY dept_id;
SELECT dept_id, count(*) FROM emp GROUP BY dept_id ORDER BY dept_id;
SELECT dept_id, count(*) FROM emp GROUP BY dept_id ORDER BY count(*) DESC, dept_id NULLS FIRST;
SELECT dept_id AS d, count(*) AS n FROM emp GROUP BY d ORDER BY n, d;
SELECT dept_id, count(*) FROM emp GROUP BY 1 ORDER BY 1;
SELECT dept_id % 2, count(*) FROM emp GROUP BY dept_id % 2 ORDER BY 1;
SELECT dept_id, boss, count(*) FROM emp GROUP BY dept_id, boss ORDER BY 1, 2;
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(year FROM hired) AS y, count(*) FROM emp GROUP BY y ORDER BY y;
SELECT upper(name), count(*) FROM emp GROUP BY upper(name) ORDER BY 1;
SELECT CASE WHEN salary > 90 THEN 'high' ELSE 'low' END AS band, count(*) FROM emp GROUP BY band ORDER BY band;
SELECT dept_id, count(*) FROM emp GROUP BY dept_id HAVING count(*) > 1 ORDER BY 1;
SELECT dept_id FROM emp GROUP BY dept_id HAVING sum(salary) > 150 AND min(salary) < 100 ORDER BY 1;
SELECT count(*) FROM emp HAVING count(*) > 100;
SELECT count(*) FROM emp HAVING count(*) > 1;
-- differs: HAVING without groups and aggregates is refused
SELECT 1 FROM emp HAVING true;
SELECT dept_id, name FROM emp GROUP BY dept_id;
SELECT name, count(*) FROM emp;
SELECT id, name, count(*) FROM emp GROUP BY id ORDER BY id;
SELECT * FROM emp GROUP BY dept_id;
SELECT dept_id FROM emp WHERE count(*) > 1 GROUP BY dept_id;
SELECT sum(count(*)) FROM emp;
SELECT count(*) FROM emp GROUP BY count(*);
SELECT sum(name) FROM emp;
SELECT avg(hired) FROM emp;
SELECT sum(DISTINCT salary), count(DISTINCT salary), avg(DISTINCT rating) FROM emp;
SELECT dept_id, count(DISTINCT salary) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT count(DISTINCT (dept_id, boss)) FROM emp;
SELECT count(*) FILTER (WHERE salary > 90), sum(salary) FILTER (WHERE dept_id = 2), count(*) FROM emp;
SELECT dept_id, count(*) FILTER (WHERE rating > 3) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT max(salary) FILTER (WHERE false) FROM emp;
SELECT string_agg(name, ',' ORDER BY name) FROM emp;
SELECT dept_id, string_agg(name, ';' ORDER BY salary DESC, name) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT string_agg(name, ',' ORDER BY id) FILTER (WHERE salary > 90) FROM emp;
SELECT string_agg(DISTINCT dept_id::text, ',' ORDER BY dept_id::text) FROM emp;
SELECT array_agg(id ORDER BY id DESC) FROM emp;
SELECT array_agg(name ORDER BY name NULLS FIRST) FROM emp;
SELECT dept_id, array_agg(id ORDER BY id) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT array_agg(DISTINCT dept_id ORDER BY dept_id) FROM emp;
SELECT array_agg(id) FROM emp WHERE false;
SELECT array_agg(id ORDER BY salary, id) FILTER (WHERE dept_id = 2) FROM emp;
SELECT bool_and(salary > 50), bool_or(salary > 110), every(rating > 1) FROM emp;
SELECT bit_and(id), bit_or(id), bit_xor(id) FROM emp;
SELECT round(stddev(rating)::numeric, 8), round(variance(rating)::numeric, 8) FROM emp;
SELECT round(stddev_pop(rating)::numeric, 8), round(stddev_samp(rating)::numeric, 8), round(var_pop(rating)::numeric, 8), round(var_samp(rating)::numeric, 8) FROM emp;
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT round(stddev(id), 8), round(var_pop(id), 8) FROM emp;
SELECT stddev(x), variance(x), stddev_pop(x), var_pop(x) FROM (VALUES (1::float8)) t(x);
SELECT round(corr(rating, id)::numeric, 8), round(covar_pop(rating, id)::numeric, 8), round(covar_samp(rating, id)::numeric, 8) FROM emp;
-- differs: window functions in this form
SELECT round(regr_slope(rating, id)::numeric, 8), round(regr_intercept(rating, id)::numeric, 8), regr_count(rating, id), round(regr_r2(rating, id)::numeric, 8) FROM emp;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY rating) FROM emp;
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY id) FROM emp;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY rating) FROM emp;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY salary) FROM emp;
SELECT percentile_disc(0.75) WITHIN GROUP (ORDER BY name) FROM emp;
SELECT dept_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY rating DESC) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT mode() WITHIN GROUP (ORDER BY rating) FROM emp;
SELECT mode() WITHIN GROUP (ORDER BY dept_id) FROM emp;
SELECT sum(salary) + count(*) * 2, max(salary) - min(salary) FROM emp;
SELECT dept_id, sum(salary) * 2 AS double FROM emp GROUP BY dept_id ORDER BY double NULLS FIRST;
SELECT sum(salary * 2), sum(salary) * 2, avg(salary + 1) - 1 = avg(salary) FROM emp;
SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) t(x);
SELECT sum(x::int) FROM (VALUES (2147483647), (1)) t(x);
SELECT sum(x) FROM (VALUES (1::smallint), (2::smallint)) t(x);
SELECT sum(x), avg(x) FROM (VALUES (1::real), (2.5::real)) t(x);
SELECT avg(x) FROM (VALUES (1), (2)) t(x);
SELECT avg(x) FROM (VALUES (1::bigint), (2), (2)) t(x);
SELECT avg(x) FROM (VALUES (1.0), (2.0), (2.0)) t(x);
SELECT avg(x) FROM (VALUES (10::numeric(10,2)), (20), (25)) t(x);
SELECT sum(x), avg(x), count(x) FROM (VALUES (NULL::int)) t(x);
-- differs: intervals are printed, read and compared in another form
SELECT sum(x) FROM (VALUES (INTERVAL '1 day'), (INTERVAL '2 hours')) t(x);
-- differs: accepts what PostgreSQL refuses
SELECT max(x) FROM (VALUES (true), (false)) t(x);
SELECT min(x), max(x) FROM (VALUES ('NaN'::float8), (1), (NULL)) t(x);
SELECT max(x), min(x) FROM (VALUES (ARRAY[1,2]), (ARRAY[1,3])) t(x);
-- differs: accepts what PostgreSQL refuses
SELECT any_value(dept_id) FROM emp WHERE dept_id = 2;
-- GROUPING SETS, ROLLUP, CUBE
SELECT dept_id, boss, count(*) FROM emp GROUP BY GROUPING SETS ((dept_id), (boss), ());
SELECT dept_id, boss, sum(salary) FROM emp GROUP BY ROLLUP (dept_id, boss);
SELECT dept_id, boss, sum(salary) FROM emp GROUP BY CUBE (dept_id, boss);
SELECT dept_id, grouping(dept_id), count(*) FROM emp GROUP BY ROLLUP (dept_id) ORDER BY 2, 1;
SELECT dept_id, boss, grouping(dept_id, boss), count(*) FROM emp GROUP BY CUBE (dept_id, boss) ORDER BY 3, 1, 2;
SELECT dept_id, count(*) FROM emp GROUP BY GROUPING SETS ((dept_id), (dept_id)) ORDER BY 1, 2;
SELECT count(*) FROM emp GROUP BY ();
SELECT count(*) FROM emp WHERE false GROUP BY ();
SELECT count(*) FROM emp WHERE false GROUP BY GROUPING SETS ((), (dept_id));
SELECT dept_id, boss, count(*) FROM emp GROUP BY dept_id, ROLLUP (boss) ORDER BY 1, 2, 3;
-- differs: this function is not built
SELECT dept_id, boss, count(*) FROM emp GROUP BY GROUPING SETS (ROLLUP (dept_id, boss), (boss)) ORDER BY 1, 2, 3;
SELECT dept_id, count(*) FROM emp GROUP BY ROLLUP (dept_id) HAVING grouping(dept_id) = 0 ORDER BY 1;
SELECT CASE WHEN grouping(dept_id) = 1 THEN 'all' ELSE dept_id::text END AS d, sum(salary) FROM emp GROUP BY ROLLUP (dept_id) ORDER BY 1;
-- differs: a row or a ROLLUP inside another grouping set is refused
SELECT dept_id, boss, id, count(*) FROM emp GROUP BY ROLLUP ((dept_id, boss), id) ORDER BY 1, 2, 3;
SELECT grouping(name) FROM emp GROUP BY dept_id;
SELECT dept_id + 1 AS x, count(*) FROM emp GROUP BY ROLLUP (dept_id + 1) ORDER BY 1;
SELECT DISTINCT dept_id FROM emp;
SELECT DISTINCT dept_id, boss FROM emp ORDER BY dept_id, boss;
SELECT DISTINCT salary > 90 FROM emp;
SELECT DISTINCT ON (dept_id) dept_id, name, salary FROM emp ORDER BY dept_id, salary DESC NULLS LAST, id;
SELECT DISTINCT ON (boss) boss, id FROM emp ORDER BY boss NULLS FIRST, id DESC;
SELECT DISTINCT ON (dept_id) name FROM emp ORDER BY salary;
SELECT DISTINCT name FROM emp ORDER BY salary;
SELECT count(*) FROM (SELECT DISTINCT salary FROM emp) x;
-- differs: accepts what PostgreSQL refuses
SELECT count(DISTINCT *) FROM emp;
SELECT count(ALL salary) FROM emp;
SELECT sum(salary ORDER BY id) FROM emp;
SELECT count(*) AS n FROM emp GROUP BY dept_id ORDER BY n DESC LIMIT 2;
SELECT min(salary), max(name) FROM emp GROUP BY dept_id HAVING max(name) IS NOT NULL ORDER BY 1;
