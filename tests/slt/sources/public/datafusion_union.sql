-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), union.slt
SELECT 1 as x
UNION ALL
SELECT 2 as x;
SELECT 1 as x
UNION
SELECT 1 as x;
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
SELECT SUM(d) FROM (
    SELECT 1 as c, 2 as d
    UNION ALL
    SELECT 1 as c, 3 AS d
) as a;
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
SELECT c1, SUM(c2) FROM (
    SELECT 1 as c1, 1::int as c2
    UNION
    SELECT 2 as c1, 2::int as c2
    UNION
    SELECT 3 as c1, COALESCE(3::int, 0) as c2
) as a
GROUP BY c1;
SELECT c1, SUM(c2) FROM (
    SELECT 1 as c1, 1::int as c2
    UNION
    SELECT 2 as c1, 2::int as c2
    UNION
    SELECT 3 as c1, count(1) as c2
) as a
GROUP BY c1;
CREATE table t as SELECT 1 as a;
SELECT 1 A UNION ALL SELECT 2;
SELECT 1 UNION SELECT 2;
SELECT 1 as a, 0 as b, 0 as c
UNION ALL
((SELECT 2, 0, 0 UNION ALL SELECT 3, 0, 0) EXCEPT SELECT 3, 0, 0)
UNION ALL
(SELECT 4, 0, 0 INTERSECT SELECT 4, 0, 0);
CREATE TABLE t1(v0 BIGINT, v1 BIGINT, v2 BIGINT, v3 BOOLEAN);
INSERT INTO t1(v0, v2, v1) VALUES (-1229445667, -342312412, -1507138076);
INSERT INTO t1(v0, v1) VALUES (1541512604, -1229445667);
INSERT INTO t1(v1, v3, v0, v2) VALUES (-1020641465, false, -1493773377, 1751276473);
INSERT INTO t1(v3) VALUES (true), (true), (false);
DROP TABLE t1;
CREATE TABLE u1 (x INT, y INT);
INSERT INTO u1 VALUES (3, 3), (3, 3), (1, 1);
CREATE TABLE u2 (y BIGINT, z BIGINT);
INSERT INTO u2 VALUES (20, 20), (40, 40);
CREATE VIEW v1 AS
SELECT y FROM u1 UNION ALL SELECT y FROM u2 ORDER BY y;
SELECT * FROM v1 ORDER BY 1;
drop view v1;
drop table u1;
drop table u2;
