-- INSERT, UPDATE, DELETE and what they return
CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(8,2) DEFAULT 1.5, c boolean NOT NULL DEFAULT false);
INSERT INTO t VALUES (1, 'one', 10.25, true);
INSERT INTO t (id, a) VALUES (2, 'two'), (3, NULL);
INSERT INTO t (a, id) VALUES ('four', 4);
INSERT INTO t (id) VALUES (5);
INSERT INTO t VALUES (6, 'six', DEFAULT, DEFAULT);
INSERT INTO t VALUES (7);
SELECT * FROM t ORDER BY id;
INSERT INTO t VALUES (1, 'again');
INSERT INTO t (id, a) VALUES (8, 'x'), (8, 'y');
INSERT INTO t (a) VALUES ('no key');
INSERT INTO t (id, c) VALUES (9, NULL);
INSERT INTO t (id, nope) VALUES (9, 1);
INSERT INTO t (id, id) VALUES (9, 9);
INSERT INTO t (id, a) VALUES (9);
INSERT INTO t (id) VALUES (9, 'x');
INSERT INTO t VALUES (9, 'x', 1, true, 5);
INSERT INTO t (id) VALUES ('abc');
INSERT INTO t (id) VALUES ('10');
INSERT INTO t (id) VALUES (99999999999);
INSERT INTO t (id, b) VALUES (11, 1234567.891);
INSERT INTO t (id, b) VALUES (11, 12.345);
INSERT INTO t (id, b) VALUES (12, 'x');
INSERT INTO t (id, c) VALUES (12, 'yes');
INSERT INTO t (id, c) VALUES (13, 1);
INSERT INTO nope VALUES (1);
SELECT id, a, b, c FROM t ORDER BY id;
INSERT INTO t (id, a) VALUES (20, 'r') RETURNING id;
INSERT INTO t (id, a) VALUES (21, 'r'), (22, 's') RETURNING id, a || '!', b;
INSERT INTO t (id) VALUES (23) RETURNING *;
INSERT INTO t (id) SELECT id + 100 FROM t WHERE id < 3;
INSERT INTO t (id, a) SELECT g, 'g' || g FROM generate_series(200, 203) g;
INSERT INTO t (id) SELECT id FROM t;
SELECT count(*) FROM t;
UPDATE t SET a = 'changed' WHERE id = 1;
UPDATE t SET a = 'changed' WHERE id = 12345;
UPDATE t SET b = b + 1 WHERE id < 3;
UPDATE t SET b = b * 2, a = upper(a) WHERE id = 2 RETURNING *;
UPDATE t SET a = DEFAULT, b = DEFAULT WHERE id = 1 RETURNING a, b;
UPDATE t SET id = 1000 WHERE id = 5;
UPDATE t SET id = 1 WHERE id = 2;
UPDATE t SET c = NULL WHERE id = 1;
UPDATE t SET nope = 1;
UPDATE t SET a = 'x', a = 'y';
UPDATE nope SET a = 1;
UPDATE t SET b = 'x';
UPDATE t SET b = 9999999;
UPDATE t SET (a, b) = ('pair', 7) WHERE id = 3 RETURNING id, a, b;
UPDATE t SET a = (SELECT max(a) FROM t) WHERE id = 3 RETURNING a;
UPDATE t SET b = (SELECT count(*) FROM t x WHERE x.id < t.id) WHERE id < 7 RETURNING id, b;
UPDATE t AS z SET a = z.id::text WHERE z.id = 4 RETURNING z.a;
UPDATE t SET id = id + 5000 WHERE id >= 200;
SELECT id FROM t WHERE id >= 200 ORDER BY id;
UPDATE t SET c = NOT c WHERE id < 4;
UPDATE t SET a = NULL WHERE a IS NOT NULL AND id > 100;
SELECT id, a, b, c FROM t ORDER BY id;
-- differs: a statement or type that is not built
UPDATE t SET a = src.v FROM (VALUES (1, 'f1'), (3, 'f3')) src(k, v) WHERE t.id = src.k;
-- differs: follows from a statement before it that is marked
SELECT id, a FROM t WHERE id IN (1, 3) ORDER BY id;
-- differs: a statement or type that is not built
UPDATE t SET b = x.b + 1 FROM t x WHERE x.id = t.id AND t.id = 1 RETURNING t.id, t.b;
DELETE FROM t WHERE id = 1;
DELETE FROM t WHERE id = 1;
DELETE FROM t WHERE id > 200 RETURNING id;
DELETE FROM t WHERE a IS NULL AND id > 50;
DELETE FROM t WHERE id IN (SELECT id FROM t WHERE b > 100);
DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM t x WHERE x.id = t.id + 1) AND id < 0;
DELETE FROM t WHERE nope = 1;
DELETE FROM nope;
-- differs: a statement or type that is not built
DELETE FROM t USING (VALUES (3), (4)) d(k) WHERE t.id = d.k;
-- differs: follows from a statement before it that is marked
SELECT id FROM t ORDER BY id;
-- differs: follows from a statement before it that is marked
DELETE FROM t;
-- differs: not built in this form
SELECT count(*) FROM t;
-- ON CONFLICT
CREATE TABLE k (a int, b text, n int DEFAULT 0, PRIMARY KEY (a, b));
INSERT INTO k VALUES (1, 'x', 1), (1, 'y', 2);
INSERT INTO k VALUES (1, 'x', 5);
INSERT INTO k VALUES (1, 'x', 5) ON CONFLICT DO NOTHING;
INSERT INTO k VALUES (1, 'x', 5), (2, 'x', 6) ON CONFLICT DO NOTHING;
INSERT INTO k VALUES (1, 'x', 7) ON CONFLICT (a, b) DO NOTHING RETURNING *;
INSERT INTO k VALUES (1, 'x', 7) ON CONFLICT (b, a) DO UPDATE SET n = excluded.n;
INSERT INTO k VALUES (1, 'x', 1), (3, 'z', 1) ON CONFLICT (a, b) DO UPDATE SET n = k.n + excluded.n RETURNING *;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT (a, b) DO UPDATE SET n = 0 WHERE k.n > 100;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT (a, b) DO UPDATE SET n = 0 WHERE k.n > 5 RETURNING n;
INSERT INTO k VALUES (9, 'q', 1), (9, 'q', 2) ON CONFLICT (a, b) DO UPDATE SET n = excluded.n;
INSERT INTO k VALUES (9, 'q', 1), (9, 'q', 2) ON CONFLICT DO NOTHING;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT (a) DO NOTHING;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT (nope) DO NOTHING;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT DO UPDATE SET n = 1;
INSERT INTO k VALUES (1, 'x', 1) ON CONFLICT (a, b) DO UPDATE SET b = 'moved';
SELECT * FROM k ORDER BY a, b;
INSERT INTO k AS kk VALUES (1, 'y', 10) ON CONFLICT (a, b) DO UPDATE SET n = kk.n * 100;
INSERT INTO k SELECT a, b, 50 FROM k ON CONFLICT (a, b) DO UPDATE SET n = excluded.n + 1;
SELECT * FROM k ORDER BY a, b;
INSERT INTO k VALUES (NULL, 'x', 1);
INSERT INTO k DEFAULT VALUES;
WITH src AS (SELECT 77 AS a, 'cte' AS b) INSERT INTO k (a, b) SELECT a, b FROM src;
-- differs: a statement or type that is not built
WITH del AS (SELECT 77 AS a) DELETE FROM k WHERE a IN (SELECT a FROM del);
-- differs: a statement or type that is not built
WITH up AS (SELECT 1 AS a) UPDATE k SET n = -1 WHERE a IN (SELECT a FROM up);
-- differs: decimals have one scale for a whole column
SELECT sum(n) FROM k;
-- no key
CREATE TABLE bag (x int, y text);
INSERT INTO bag VALUES (1, 'a'), (1, 'a'), (NULL, NULL);
SELECT * FROM bag;
UPDATE bag SET x = x + 1;
DELETE FROM bag WHERE x = 2 RETURNING y;
SELECT count(*) FROM bag;
INSERT INTO bag DEFAULT VALUES;
SELECT count(*) FROM bag WHERE x IS NULL;
-- differs: a statement or type that is not built
TRUNCATE bag;
-- differs: decimals have one scale for a whole column
SELECT count(*) FROM bag;
-- differs: a statement or type that is not built
TRUNCATE nope;
-- every type in and out
CREATE TABLE kinds (i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric(20,6), t text, v varchar(5), b boolean, d date, ts timestamp, tz timestamptz, by bytea, u uuid);
INSERT INTO kinds VALUES (1, 2, 3, 1.5, 2.5, 3.25, 'text', 'var', true, '2024-02-29', '2024-02-29 12:00:00', '2024-02-29 12:00:00+02', '\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
INSERT INTO kinds (i2) VALUES (NULL);
INSERT INTO kinds (i2) VALUES (32768);
INSERT INTO kinds (i4) VALUES (2147483648);
INSERT INTO kinds (i4) VALUES (1.5), (2.5), (-1.5);
INSERT INTO kinds (v) VALUES ('123456');
INSERT INTO kinds (v) VALUES ('12345   ');
INSERT INTO kinds (d) VALUES ('2024-02-30');
INSERT INTO kinds (d) VALUES ('nonsense');
INSERT INTO kinds (ts) VALUES ('2024-01-01 25:00');
INSERT INTO kinds (u) VALUES ('nonsense');
INSERT INTO kinds (b) VALUES ('nonsense');
-- differs: another SQLSTATE
INSERT INTO kinds (by) VALUES ('\xzz');
INSERT INTO kinds (f4) VALUES (1e39);
INSERT INTO kinds (f8) VALUES ('Infinity'), ('NaN');
INSERT INTO kinds (i4) VALUES (true);
INSERT INTO kinds (t) VALUES (5);
INSERT INTO kinds (d) VALUES (5);
INSERT INTO kinds (ts) SELECT DATE '2024-01-01';
INSERT INTO kinds (d) SELECT TIMESTAMP '2024-01-01 12:00';
-- differs: another SQLSTATE
INSERT INTO kinds (i4) SELECT '5'::text;
SELECT * FROM kinds WHERE i2 = 1;
-- differs: follows from a statement before it that is marked
SELECT i4 FROM kinds WHERE i4 IS NOT NULL ORDER BY i4;
SELECT v, length(v) FROM kinds WHERE v IS NOT NULL ORDER BY v;
SELECT f8 FROM kinds WHERE f8 IS NOT NULL ORDER BY f8;
SELECT d, ts FROM kinds WHERE d IS NOT NULL OR ts IS NOT NULL ORDER BY d, ts;
SELECT i2 + i4 + i8, f4 + f8, n * 2, t || v, NOT b, d + 1, ts + INTERVAL '1 hour' FROM kinds WHERE i2 = 1;
SELECT count(*) FROM kinds WHERE u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
SELECT count(*) FROM kinds WHERE by = '\x00ff';
SELECT count(*) FROM kinds WHERE tz = '2024-02-29 10:00:00+00';
UPDATE kinds SET n = n / 3 WHERE i2 = 1 RETURNING n;
