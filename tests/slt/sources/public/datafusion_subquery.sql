-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), subquery.slt
SELECT 1 WHERE EXISTS (SELECT 1);
SELECT * FROM
    (VALUES ('catan-prod1-daily', 'success')) as jobs(cron_job_name, status)
  JOIN
    (VALUES ('catan-prod1-daily', 'high')) as severity(cron_job_name, level)
  ON (severity.cron_job_name = jobs.cron_job_name);
create table t(a bigint);
CREATE TABLE source_table (
    column1 TEXT,
    column2 TIMESTAMP,
    column3 FLOAT
);
INSERT INTO source_table VALUES
    ('item1', TIMESTAMP '1970-01-01 00:00:01', 50.0),
    ('item2', TIMESTAMP '1970-01-01 00:00:02', 30.0),
    ('item1', TIMESTAMP '1970-01-01 00:00:03', 25.0);
WITH SubQuery AS (
    SELECT
        a.column1,
        a.column2 AS ts_column,
        a.column3,
        SUM(a.column3) OVER (
            PARTITION BY a.column1
            ORDER BY a.column2 RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW
        ) AS moving_sum
    FROM source_table a
)
SELECT
    column1,
    ts_column,
    moving_sum
FROM SubQuery
WHERE moving_sum > 60;
drop table source_table;
create table person(id int, last_name int, state int);
drop table person;
create table set_cmp_empty(v int);
drop table set_cmp_empty;
CREATE TABLE employees (
    employee_id INTEGER,
    employee_name VARCHAR,
    dept_id INTEGER,
    salary DECIMAL
);
CREATE TABLE project_assignments (
    project_id INTEGER,
    employee_id INTEGER,
    priority INTEGER
);
drop table employees;
drop table project_assignments;
SELECT i
FROM generate_series(1, 10) AS t(i)
WHERE i > (
  SELECT avg(j) FROM generate_series(1, 10) AS u(j)
)
ORDER BY i;
SELECT (SELECT 42) AS k, max(x) FROM (VALUES (1), (2), (3)) AS t(x) GROUP BY k;
SELECT x, max((SELECT 42)) FROM (VALUES (1), (2), (3)) AS t(x) GROUP BY x ORDER BY x;
SELECT (SELECT (SELECT 42));
SELECT (SELECT (SELECT (SELECT 99)));
SELECT (SELECT * FROM (VALUES (1)) AS t(x));
SELECT x FROM (VALUES (1), (2), (3), (4), (5)) AS t(x)
WHERE x BETWEEN (SELECT 2) AND (SELECT 4)
ORDER BY x;
SELECT (SELECT DISTINCT 42 FROM (VALUES (1), (2), (3)) AS t(x));
SELECT 1 = (SELECT CAST(NULL AS INT));
SELECT CAST(NULL AS INT) = (SELECT 1);
SELECT (WITH cte1 AS (WITH cte2 AS (SELECT 42) SELECT * FROM cte2) SELECT * FROM cte1);
SELECT * FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x LIMIT (SELECT 2);
SELECT * FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x OFFSET (SELECT 1);
SELECT (SELECT (SELECT 42));
SELECT 1 = (SELECT CAST(NULL AS INT));
