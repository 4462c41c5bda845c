-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), distinct.slt
CREATE TABLE test (x INT, y INT);
INSERT INTO test VALUES (1, 1), (2, 2), (1, 1), (3, 3);
SELECT DISTINCT * FROM test ORDER BY x;
SELECT DISTINCT sum(x) FROM test ORDER BY sum(x);
