-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), pg_compat_union.slt
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
SELECT * FROM (
    SELECT c2
    FROM aggregate_test_100_by_sql t1
    EXCEPT
    SELECT c2
    FROM aggregate_test_100_by_sql t2
    WHERE c2 IN (3, 4)
) s;
SELECT * FROM (
    SELECT c2
    FROM aggregate_test_100_by_sql t1
    EXCEPT ALL
    SELECT c2
    FROM aggregate_test_100_by_sql t2
    WHERE c2 IN (3, 4)
) s;
SELECT * FROM (
    SELECT c2
    FROM aggregate_test_100_by_sql t1
    INTERSECT
    SELECT c2
    FROM aggregate_test_100_by_sql t2
    WHERE c2 IN (3, 4)
) s;
SELECT * FROM (
    SELECT c2
    FROM aggregate_test_100_by_sql t1
    INTERSECT ALL
    SELECT c2
    FROM aggregate_test_100_by_sql t2
    WHERE c2 IN (3, 4)
) s;
SELECT 1 num UNION ALL SELECT 2 num ORDER BY num;
DROP TABLE aggregate_test_100_by_sql;
