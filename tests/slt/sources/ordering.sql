-- ORDER BY, LIMIT, OFFSET, NULLS, names
CREATE TABLE t (a int, b text, c numeric(6,2));
INSERT INTO t VALUES (3, 'x', 1.5), (1, 'y', NULL), (2, NULL, 2.25), (NULL, 'x', 0.5), (1, 'a', -1), (2, 'B', 10);
SELECT a FROM t ORDER BY a;
SELECT a FROM t ORDER BY a DESC;
SELECT a FROM t ORDER BY a NULLS FIRST;
SELECT a FROM t ORDER BY a DESC NULLS LAST;
SELECT a, b FROM t ORDER BY a, b;
SELECT a, b FROM t ORDER BY b DESC, a;
SELECT a, b FROM t ORDER BY 2, 1;
SELECT a, b FROM t ORDER BY 3;
SELECT a, b FROM t ORDER BY 0;
SELECT a AS z FROM t ORDER BY z;
SELECT a AS b, b AS x FROM t ORDER BY b, x;
SELECT a FROM t ORDER BY c;
SELECT a + 1 AS n FROM t ORDER BY a + 1;
-- differs: accepts what PostgreSQL refuses
SELECT a + 1 AS n FROM t ORDER BY n + 1;
SELECT -a AS a FROM t ORDER BY a;
SELECT a FROM t ORDER BY -a;
SELECT a FROM t ORDER BY a LIMIT 2;
SELECT a FROM t ORDER BY a LIMIT 2 OFFSET 1;
SELECT a FROM t ORDER BY a OFFSET 4;
SELECT a FROM t ORDER BY a OFFSET 40;
SELECT a FROM t ORDER BY a LIMIT 0;
SELECT a FROM t ORDER BY a LIMIT ALL;
SELECT a FROM t ORDER BY a LIMIT NULL;
SELECT a FROM t ORDER BY a LIMIT -1;
SELECT a FROM t ORDER BY a OFFSET -1;
SELECT a FROM t ORDER BY a LIMIT 1 + 1;
SELECT a FROM t ORDER BY a LIMIT (SELECT 2);
SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS ONLY;
SELECT a FROM t ORDER BY a FETCH FIRST ROW ONLY;
SELECT a FROM t ORDER BY a NULLS LAST FETCH FIRST 2 ROWS WITH TIES;
SELECT a FROM t ORDER BY a OFFSET 1 ROW FETCH NEXT 2 ROWS ONLY;
SELECT a FROM t ORDER BY nope;
SELECT a FROM t ORDER BY upper(b), a;
SELECT a FROM t ORDER BY CASE WHEN b = 'x' THEN 0 ELSE 1 END, a;
SELECT a FROM t ORDER BY a IS NULL, a DESC, b;
-- differs: COLLATE is refused: texts are compared by their bytes
SELECT b FROM t ORDER BY b COLLATE "C";
SELECT c FROM t ORDER BY c;
SELECT c FROM t ORDER BY c DESC NULLS LAST LIMIT 3;
SELECT DISTINCT a FROM t ORDER BY a DESC;
SELECT DISTINCT b FROM t ORDER BY b NULLS FIRST;
SELECT t.a FROM t ORDER BY t.a, t.b LIMIT 1;
SELECT * FROM t ORDER BY a, b, c;
SELECT t.* FROM t WHERE a = 3;
-- differs: a whole row is no value
SELECT t FROM t WHERE a = 3;
SELECT a FROM t WHERE a > 1 ORDER BY a;
SELECT a FROM t WHERE b = 'x' OR a = 2 ORDER BY a, b;
SELECT a FROM t WHERE NOT (a = 1) ORDER BY a;
SELECT a FROM t WHERE a IN (1, 3) AND b IS NOT NULL ORDER BY a, b;
SELECT a, b FROM t WHERE c > 1 ORDER BY c;
SELECT a, b FROM t WHERE c + 1 > 2.5 ORDER BY c;
SELECT count(*) FROM t WHERE a = a;
SELECT count(*) FROM t WHERE a IS NULL;
SELECT a FROM t WHERE a = '1' ORDER BY b;
SELECT a FROM t WHERE a = 'x';
-- differs: another SQLSTATE
SELECT a FROM t WHERE b = 1;
SELECT a FROM t WHERE a;
SELECT nope FROM t;
SELECT t.nope FROM t;
-- differs: another SQLSTATE
SELECT x.a FROM t;
SELECT a FROM nope;
SELECT a FROM t WHERE a = 3 AND true;
SELECT a, FROM t;
SELEC a FROM t;
SELECT a FROM t WHERE;
SELECT (a FROM t;

SELECT a b c FROM t;
SELECT a AS "Weird Name", b AS select FROM t WHERE a = 3;
SELECT "a" FROM "t" WHERE "a" = 3;
SELECT "A" FROM t;
SELECT A FROM T WHERE A = 3;
SELECT /* comment */ a -- trailing
FROM t WHERE a = 3;
SELECT /* nested /* comment */ */ 1;
SELECT generate_series(1, 3);
SELECT * FROM generate_series(1, 3);
SELECT x FROM generate_series(1, 3) x;
SELECT x.y FROM generate_series(1, 3) x(y);
SELECT x FROM generate_series(1, 10, 4) AS x;
SELECT x FROM generate_series(3, 1, -1) AS x;
SELECT x FROM generate_series(3, 1) AS x;
SELECT x FROM generate_series(1, 3, 0) AS x;
SELECT x + 1 FROM generate_series(1, 2) AS x;
SELECT x * 2 AS d FROM generate_series(1, 2) AS g(x);
SELECT count(*) FROM generate_series(1, 1000) a, generate_series(1, 10) b;
SELECT generate_series FROM generate_series(1, 2);
SELECT * FROM unnest(ARRAY[1, 2, 3]);
SELECT u FROM unnest(ARRAY['a', 'b']) u;
SELECT unnest(ARRAY[1, 2]);
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) AS x(n, s);
-- differs: table functions are named and used less freely
SELECT * FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS x(s, n);
SELECT a, generate_series(1, a) FROM t WHERE a < 3;
SELECT 1 WHERE true;
SELECT 1 WHERE false;
SELECT 1 LIMIT 0;
SELECT 1 AS one, 2 AS two ORDER BY two, one;
SELECT current_database() IS NOT NULL, current_schema;
SELECT version() IS NOT NULL;
-- differs: this function is not built
SELECT pg_typeof(1), pg_typeof('a'::text), pg_typeof(1.5);
-- differs: TABLESAMPLE is refused
SELECT a FROM t TABLESAMPLE SYSTEM (100) ORDER BY a;
SELECT a FROM t FOR UPDATE;
