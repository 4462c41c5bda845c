-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), lateral_join.slt
SELECT * FROM (SELECT 42) t(a), LATERAL (SELECT 100) t2(b);
SELECT * FROM
  (SELECT 42) t1(i),
  (SELECT 22) t2(j),
  LATERAL (SELECT 1 AS l WHERE i + j = 64) t3;
SELECT * FROM
  (SELECT 64) t1(i),
  (SELECT 22) t2(j),
  LATERAL (SELECT 1 AS l WHERE i + j = 64) t3;
SELECT * FROM (SELECT 42) t(a) CROSS JOIN LATERAL (SELECT t.a + 1) t2(b);
SELECT * FROM (VALUES (42), (84)) t(a), LATERAL (SELECT t.a + 1) t2(b);
