CREATE TABLE dept (id int PRIMARY KEY, name text NOT NULL, budget numeric(12,2));
CREATE TABLE emp (id int PRIMARY KEY, name text, dept_id int, salary numeric(10,2), hired date, boss int, rating float8);
INSERT INTO dept VALUES (1, 'sales', 1000.50), (2, 'tech', 5000.00), (3, 'empty', NULL), (4, 'legal', 250.25);
INSERT INTO emp VALUES (1, 'ann', 1, 100.00, '2020-01-15', NULL, 4.5), (2, 'bob', 1, 80.50, '2021-03-01', 1, 3.25), (3, 'cid', 2, 120.25, '2019-07-30', 1, NULL), (4, 'dee', 2, 95.00, '2022-02-28', 3, 5), (5, 'eve', 2, 95.00, '2020-12-31', 3, 2.75), (6, 'fay', NULL, 70.00, '2023-06-15', 2, 4.5), (7, NULL, 4, NULL, NULL, 2, 1.5), (8, 'hal', 9, 60.75, '2018-11-11', 7, 3.25);
-- window functions
SELECT id, row_number() OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, row_number() OVER (ORDER BY salary DESC NULLS LAST, id) FROM emp ORDER BY id;
SELECT id, rank() OVER (ORDER BY salary) FROM emp ORDER BY id;
SELECT id, dense_rank() OVER (ORDER BY salary) FROM emp ORDER BY id;
SELECT id, rank() OVER (PARTITION BY dept_id ORDER BY salary DESC) FROM emp ORDER BY id;
SELECT id, percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, ntile(3) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, ntile(0) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, lag(id) OVER (ORDER BY id), lead(id) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, lag(id, 2) OVER (ORDER BY id), lead(id, 2, -1) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, lag(name, 1, 'none') OVER (PARTITION BY dept_id ORDER BY id) FROM emp ORDER BY id;
SELECT id, lag(id, 0) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, lag(id, -1) OVER (ORDER BY id) FROM emp ORDER BY id;
-- differs: window functions in this form
SELECT id, lag(id, NULL) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, first_value(id) OVER (PARTITION BY dept_id ORDER BY salary, id) FROM emp ORDER BY id;
SELECT id, last_value(id) OVER (PARTITION BY dept_id ORDER BY salary, id) FROM emp ORDER BY id;
SELECT id, last_value(id) OVER (PARTITION BY dept_id ORDER BY salary, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM emp ORDER BY id;
SELECT id, nth_value(id, 2) OVER (PARTITION BY dept_id ORDER BY id) FROM emp ORDER BY id;
-- differs: accepts what PostgreSQL refuses
SELECT id, nth_value(id, 0) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, sum(id) OVER () FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, sum(salary) OVER (PARTITION BY dept_id) FROM emp ORDER BY id;
SELECT id, sum(salary) OVER (PARTITION BY dept_id ORDER BY salary) FROM emp ORDER BY id;
SELECT id, count(*) OVER (PARTITION BY dept_id), count(name) OVER () FROM emp ORDER BY id;
SELECT id, avg(rating) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY salary RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM emp ORDER BY id;
SELECT id, count(*) OVER (ORDER BY salary RANGE BETWEEN 10 PRECEDING AND 10 FOLLOWING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM emp ORDER BY id;
SELECT id, count(*) OVER (ORDER BY hired RANGE BETWEEN INTERVAL '1 year' PRECEDING AND CURRENT ROW) FROM emp WHERE hired IS NOT NULL ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY salary GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM emp ORDER BY id;
SELECT id, sum(id) OVER (ORDER BY dept_id GROUPS CURRENT ROW) FROM emp ORDER BY id;
-- differs: window functions in this form
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM emp ORDER BY id;
-- differs: window functions in this form
SELECT id, sum(id) OVER (ORDER BY dept_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP) FROM emp ORDER BY id;
-- differs: window functions in this form
SELECT id, sum(id) OVER (ORDER BY dept_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES) FROM emp ORDER BY id;
-- differs: window functions in this form
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE NO OTHERS) FROM emp ORDER BY id;
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT id, sum(id) OVER w, avg(id) OVER w FROM emp WINDOW w AS (PARTITION BY dept_id ORDER BY id) ORDER BY id;
SELECT id, sum(id) OVER (w ORDER BY id) FROM emp WINDOW w AS (PARTITION BY dept_id) ORDER BY id;
SELECT id, sum(id) OVER (w ROWS 1 PRECEDING) FROM emp WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT id, sum(id) OVER w2 FROM emp WINDOW w AS (PARTITION BY dept_id), w2 AS (w ORDER BY id) ORDER BY id;
SELECT id, sum(id) OVER nope FROM emp;
SELECT id, max(salary) OVER (PARTITION BY dept_id) - salary AS diff FROM emp ORDER BY id;
SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY dept_id ORDER BY salary DESC NULLS LAST, id) rn FROM emp) x WHERE rn = 1 ORDER BY id;
SELECT id FROM emp WHERE row_number() OVER (ORDER BY id) < 3;
SELECT id FROM emp GROUP BY id HAVING rank() OVER (ORDER BY id) < 3;
SELECT sum(row_number() OVER (ORDER BY id)) FROM emp;
SELECT row_number() OVER (ORDER BY row_number() OVER (ORDER BY id)) FROM emp;
SELECT dept_id, sum(count(*)) OVER (ORDER BY dept_id) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT dept_id, rank() OVER (ORDER BY sum(salary) DESC NULLS LAST) FROM emp GROUP BY dept_id ORDER BY 1;
SELECT id, sum(salary) FILTER (WHERE salary > 90) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, count(*) FILTER (WHERE dept_id = 2) OVER () FROM emp ORDER BY id;
SELECT id, string_agg(name, ',') OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, array_agg(id) OVER (ORDER BY id ROWS 2 PRECEDING) FROM emp ORDER BY id;
SELECT id, min(rating) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), max(rating) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT id, first_value(name) OVER (ORDER BY salary DESC NULLS LAST), last_value(name) OVER (ORDER BY salary DESC NULLS LAST, id) FROM emp ORDER BY id;
SELECT DISTINCT count(*) OVER (PARTITION BY dept_id) FROM emp ORDER BY 1;
SELECT id, row_number() OVER () > 0 FROM emp ORDER BY id;
SELECT id FROM emp ORDER BY row_number() OVER (ORDER BY id DESC);
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM emp;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED FOLLOWING AND CURRENT ROW) FROM emp;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM emp;
SELECT id, sum(id) OVER (RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM emp;
SELECT id, sum(id) OVER (ORDER BY id, salary RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM emp;
-- differs: this function is not built
SELECT row_number() FROM emp;
-- differs: accepts what PostgreSQL refuses
SELECT upper(name) OVER () FROM emp;
-- differs: accepts what PostgreSQL refuses
SELECT count(DISTINCT dept_id) OVER () FROM emp;
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
SELECT x, sum(x) OVER (ORDER BY x) FROM (VALUES (1), (1), (2), (NULL)) t(x) ORDER BY x;
-- differs: decimals have one scale for a whole column
SELECT x, lag(x) OVER (ORDER BY x), lead(x, 1, 0) OVER (ORDER BY x) FROM (VALUES (1.5), (2.5)) t(x);
-- differs: table functions are named and used less freely
SELECT g, sum(g) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM generate_series(1, 5) g ORDER BY g;
SELECT id, cume_dist() OVER (ORDER BY dept_id), percent_rank() OVER (ORDER BY dept_id) FROM emp WHERE id < 6 ORDER BY id;
