-- BEGIN, COMMIT, ROLLBACK, SAVEPOINT
CREATE TABLE t (id int PRIMARY KEY, v text);
BEGIN;
INSERT INTO t VALUES (1, 'a');
SELECT * FROM t;
COMMIT;
SELECT * FROM t;
BEGIN;
INSERT INTO t VALUES (2, 'b');
UPDATE t SET v = 'changed';
SELECT * FROM t ORDER BY id;
ROLLBACK;
SELECT * FROM t;
BEGIN;
INSERT INTO t VALUES (3, 'c');
INSERT INTO t VALUES (1, 'dup');
SELECT * FROM t;
INSERT INTO t VALUES (4, 'd');
COMMIT;
SELECT * FROM t;
BEGIN;
SELECT 1 / 0;
SELECT 1;
ROLLBACK;
SELECT 1;
-- differs: a statement or type that is not built
COMMIT;
ROLLBACK;
START TRANSACTION;
DELETE FROM t WHERE id = 1;
SELECT count(*) FROM t;
INSERT INTO t VALUES (1, 'back');
SELECT * FROM t;
END;
SELECT * FROM t;
BEGIN;
-- differs: a statement or type that is not built
SAVEPOINT s1;
-- differs: a statement or type that is not built
INSERT INTO t VALUES (10, 'x');
-- differs: a statement or type that is not built
ROLLBACK TO SAVEPOINT s1;
-- differs: a statement or type that is not built
SELECT count(*) FROM t;
-- differs: a statement or type that is not built
INSERT INTO t VALUES (11, 'y');
-- differs: a statement or type that is not built
SAVEPOINT s2;
-- differs: a statement or type that is not built
INSERT INTO t VALUES (1, 'dup');
-- differs: accepts what PostgreSQL refuses
SELECT 1;
-- differs: a statement or type that is not built
ROLLBACK TO s2;
-- differs: a statement or type that is not built
SELECT count(*) FROM t;
-- differs: a statement or type that is not built
RELEASE SAVEPOINT s1;
-- differs: a statement or type that is not built
ROLLBACK TO s1;
ROLLBACK;
SELECT count(*) FROM t;
-- differs: a statement or type that is not built
SAVEPOINT outside;
BEGIN;
UPDATE t SET v = v || '1';
UPDATE t SET v = v || '2';
SELECT v FROM t ORDER BY id;
DELETE FROM t;
INSERT INTO t VALUES (1, 'new'), (2, 'newer');
UPDATE t SET id = id + 10;
SELECT * FROM t ORDER BY id;
COMMIT;
SELECT * FROM t ORDER BY id;
BEGIN;
CREATE TABLE inside (a int);
INSERT INTO inside VALUES (1);
SELECT * FROM inside;
ROLLBACK;
SELECT * FROM inside;
BEGIN;
ALTER TABLE t ADD COLUMN w int DEFAULT 7;
SELECT * FROM t ORDER BY id;
COMMIT;
SELECT w FROM t ORDER BY id;
BEGIN READ ONLY;
SELECT count(*) FROM t;
INSERT INTO t VALUES (99);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM t;
COMMIT;
BEGIN;
-- connection other
INSERT INTO t VALUES (500, 'other', 1);
INSERT INTO t VALUES (501, 'mine', 1);
COMMIT;
SELECT id FROM t WHERE id >= 500 ORDER BY id;
