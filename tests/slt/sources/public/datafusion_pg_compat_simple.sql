-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), pg_compat_simple.slt
CREATE TABLE aggregate_test_100_by_sql
(
    c1  character varying NOT NULL,
    c2  smallint          NOT NULL,
    c3  smallint          NOT NULL,
    c4  smallint,
    c5  integer,
    c6  bigint            NOT NULL,
    c7  smallint          NOT NULL,
    c8  integer           NOT NULL,
    c9  bigint            NOT NULL,
    c10 character varying NOT NULL,
    c11 real              NOT NULL,
    c12 double precision  NOT NULL,
    c13 character varying NOT NULL
);
-- differs: answers DOUBLE PRECISION where PostgreSQL answers NUMERIC
SELECT
  abs(-1.1) as abs,
  exp(2.0) as exp,
  sin(3.0) as sin,
  cos(4.0) as cos,
  tan(5.0) as tan;
select length('ä');
SELECT 1 as num;
SELECT
  c2,
  c3,
  c10
FROM aggregate_test_100_by_sql
ORDER BY c2 ASC, c3 DESC, c10;
SELECT
    c5,
    c4,
    c10
FROM aggregate_test_100_by_sql
ORDER BY c5 ASC, c4 DESC, c10;
SELECT * FROM
(VALUES (1,2.0,-3,1+1),(10,20.0,-30,2+2))
AS tbl(int_col, float_col, negative_col, summation);
SELECT
  count(*) AS count_all,
  count(c3) AS count_c3,
  avg(c3) AS avg,
  sum(c3) AS sum,
  max(c3) AS max,
  min(c3) AS min,
  bit_and(c3) as bit_and,
  bit_or(c3) as bit_or,
  bit_xor(c3) as bit_xor
FROM aggregate_test_100_by_sql;
select
  c2,
  sum(c3) sum_c3,
  avg(c3) avg_c3,
  max(c3) max_c3,
  min(c3) min_c3,
  count(c3) count_c3,
  bit_and(c3) bit_and_c3,
  bit_or(c3) bit_or_c3,
  bit_xor(c3) bit_xor_c3
from aggregate_test_100_by_sql
group by c2
order by c2;
SELECT
  t1.c9 result
FROM aggregate_test_100_by_sql t1
INNER JOIN aggregate_test_100_by_sql t2
ON t1.c9 = t2.c9
ORDER BY result;
select * from aggregate_test_100_by_sql
order by c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13;
select
    'nan'::float is distinct from 'nan'::float v7,
    'nan'::float is not distinct from 'nan'::float v8,
    'nan'::float is not distinct from null v9,
    'nan'::float is distinct from null v10,
    null is distinct from 'nan'::float v11,
    null is not distinct from 'nan'::float v12,
    1::float is distinct from 2::float v13,
    'nan'::float is distinct from 1::float v14,
    'nan'::float is not distinct from 1::float v15,
    1::float is not distinct from null v16,
    1::float is distinct from null v17;
DROP TABLE aggregate_test_100_by_sql;
CREATE TABLE empty_table (
  c1  TEXT,
  c2  INT
);
select * from empty_table;
