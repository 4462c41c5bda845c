-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), cte.slt
select * from (WITH source AS (select 1 as e) SELECT * FROM source) t1,   (WITH source AS (select 1 as e) SELECT * FROM source) t2;
WITH "T" AS (SELECT 1 a) SELECT "T".* FROM "T";
WITH RECURSIVE nodes AS (
    SELECT 1 as id
    UNION ALL
    SELECT id + 1 as id
    FROM nodes
    WHERE id < 3
) SELECT * FROM nodes;
WITH RECURSIVE nodes AS (
    SELECT 1 as id
    UNION ALL
    SELECT id + 1 as id
    FROM nodes
    WHERE id < 10
)
SELECT * FROM nodes;
WITH RECURSIVE t(n) AS (
    SELECT 1
    UNION ALL
    SELECT n + 1 FROM t WHERE n < 10
)
SELECT n FROM t;
WITH RECURSIVE t(a, b) AS (
    SELECT 1, 2
    UNION ALL
    SELECT a + 1, b * 2 FROM t WHERE a < 5
)
SELECT a, b FROM t;
WITH RECURSIVE t(n) AS (
    SELECT 1
    UNION
    SELECT n + 1 FROM t WHERE n < 5
)
SELECT n FROM t;
WITH RECURSIVE t("N") AS (
    SELECT 1
    UNION ALL
    SELECT "N" + 1 FROM t WHERE "N" < 5
)
SELECT "N" FROM t;
WITH RECURSIVE nodes AS (
    SELECT id from (VALUES (1), (2)) nodes(id)
    UNION
    SELECT id + 1 as id
    FROM nodes
    WHERE id < 4
)
SELECT * FROM nodes;
WITH RECURSIVE ranges AS (
    SELECT min, max from (VALUES (1, 1), (2, 2)) ranges(min, max)
    UNION
    SELECT min, max + 1 as max
    FROM ranges
    WHERE max < 4
)
SELECT * FROM ranges;
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
WITH RECURSIVE nodes AS (
    SELECT 1 as id
    UNION ALL
    SELECT id + 1 as id
    FROM nodes
    WHERE id < 10
)
SELECT sum(id) FROM nodes;
WITH RECURSIVE outer_cte AS (
    SELECT 1 as a
    UNION ALL (
        WITH RECURSIVE nested_cte AS (
           SELECT 1 as a
           UNION ALL
           SELECT a + 2 as a
           FROM nested_cte where a < 3
        )
        SELECT outer_cte.a + 2 as a
        FROM outer_cte JOIN nested_cte USING(a)
        WHERE nested_cte.a < 4
    )
)
SELECT a FROM outer_cte;
WITH RECURSIVE recursive_cte AS (
  SELECT 1 as val
  UNION ALL
    (
      WITH sub_cte AS (
      SELECT 2 as val
    )
    SELECT
      2 as val
    FROM recursive_cte
      CROSS JOIN sub_cte
    WHERE recursive_cte.val < 2
  )
)
SELECT * FROM recursive_cte;
WITH RECURSIVE cte AS (
    SELECT a FROM (VALUES(1)) AS t(a) WHERE a > 2
    UNION ALL
    SELECT 2
) SELECT * FROM cte;
WITH RECURSIVE cte AS (
    SELECT 1
    UNION ALL
    SELECT 2
) SELECT * FROM cte;
WITH RECURSIVE cte AS (
    SELECT 2
    UNION
    SELECT 2
) SELECT * FROM cte;
WITH RECURSIVE cte AS (
    SELECT 1
) SELECT * FROM cte;
WITH RECURSIVE
non_recursive_cte AS (
  SELECT 1
),
recursive_cte AS (
  SELECT 1 AS a UNION ALL SELECT a+2 FROM recursive_cte WHERE a < 3
)
SELECT * FROM non_recursive_cte, recursive_cte;
-- differs: an alias names all columns of a subquery, not the first few
with numbers(a) as (select 1, 2, 3) select * from numbers;
create table j1(a int);
create table j2(b int);
drop table j1;
drop table j2;
CREATE TABLE cte_schema_records (
    id VARCHAR NOT NULL,
    parent_id VARCHAR,
    ts TIMESTAMP NOT NULL,
    val VARCHAR
);
INSERT INTO cte_schema_records VALUES
  ('a00', NULL,  TIMESTAMP '2025-01-01 00:00:00', 'v_span'),
  ('a01', 'a00', TIMESTAMP '2025-01-01 00:00:01', 'v_log_1'),
  ('a02', 'a01', TIMESTAMP '2025-01-01 00:00:02', 'v_log_2'),
  ('a03', 'a02', TIMESTAMP '2025-01-01 00:00:03', 'v_log_3'),
  ('a04', 'a03', TIMESTAMP '2025-01-01 00:00:04', 'v_log_4'),
  ('a05', 'a04', TIMESTAMP '2025-01-01 00:00:05', 'v_log_5');
DROP TABLE cte_schema_records;
WITH RECURSIVE t(a, b) AS (
  SELECT 0 AS a, 0 AS b
  UNION ALL
  SELECT b AS a, CAST(NULL AS INT) AS b FROM t WHERE a IS NOT NULL
)
SELECT * FROM t;
WITH RECURSIVE t(a, b) AS (
  SELECT 0 AS a, 0 AS b
  UNION ALL
  SELECT b AS a, CAST(NULL AS INT) AS b FROM t WHERE a IS NOT NULL
)
SELECT * FROM t WHERE a IS NOT NULL;
WITH RECURSIVE t(a) AS (
  SELECT 1 AS a
  UNION ALL
  SELECT CAST(NULL AS INT) AS a FROM t WHERE a IS NOT NULL
)
SELECT * FROM t WHERE a IS NULL;
WITH RECURSIVE t(a) AS (
  SELECT 1 AS a
  UNION
  SELECT CAST(NULL AS INT) AS a FROM t WHERE a IS NOT NULL
)
SELECT * FROM t WHERE a IS NULL;
WITH RECURSIVE t(a, b) AS (
  SELECT 0 AS a, 0 AS b
  UNION ALL
  SELECT b AS a, CAST(NULL AS INT) AS b FROM t WHERE a IS NOT NULL
)
SELECT * FROM t WHERE b IS NULL;
WITH RECURSIVE t(a) AS (
  SELECT CAST(NULL AS INT) AS a
  UNION ALL
  SELECT 1 AS a FROM t WHERE a IS NULL
)
SELECT * FROM t;
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
WITH RECURSIVE t(a) AS (
  SELECT 1 AS a
  UNION ALL
  SELECT CAST(NULL AS INT) AS a FROM t WHERE a IS NOT NULL
)
SELECT COUNT(*), COUNT(a), SUM(a) FROM t;
WITH RECURSIVE t(a) AS (
  SELECT 1 AS a
  UNION ALL
  SELECT CAST(NULL AS INT) AS a FROM t WHERE a IS NOT NULL
)
SELECT t.a, u.b FROM t LEFT JOIN (SELECT 1 AS b) u ON t.a = u.b WHERE u.b IS NULL;
CREATE TABLE recursive_cte_pk(id INT NOT NULL PRIMARY KEY);
INSERT INTO recursive_cte_pk VALUES (2), (1);
DROP TABLE recursive_cte_pk;
with recursive t(k, v) as (
  select 1 k, 10 v
  union all
  select 2, 20 from t where k = 1
)
select v
from t
order by 1;
with recursive t(k, v) as (
  select 1 k, 10 v
  union all
  select 2, 20 from t where v = 10
)
select v
from t
order by 1;
with recursive t(k, v) as (
  select 1 k, 10 v
  union
  select 2, 10 from t where v = 10
)
select v
from t
order by 1;
