-- CREATE, ALTER, DROP
CREATE TABLE a (x int);
CREATE TABLE a (x int);
CREATE TABLE IF NOT EXISTS a (x int);
CREATE TABLE b (x int, x text);
CREATE TABLE b (x int PRIMARY KEY, y int PRIMARY KEY);
CREATE TABLE b (x int, PRIMARY KEY (nope));
-- differs: a statement or type that is not built
CREATE TABLE b (x nosuchtype);
CREATE TABLE b (x int DEFAULT 'abc');
CREATE TABLE b (x int DEFAULT nope);
CREATE TABLE b (x int NOT NULL, y text DEFAULT 'd', z timestamp DEFAULT '2024-01-01', PRIMARY KEY (x));
INSERT INTO b (x) VALUES (1);
SELECT * FROM b;
ALTER TABLE b ADD COLUMN w int DEFAULT 5;
SELECT * FROM b;
ALTER TABLE b ADD COLUMN w int;
ALTER TABLE b ADD COLUMN IF NOT EXISTS w int;
ALTER TABLE b ADD COLUMN q int NOT NULL;
ALTER TABLE b ADD COLUMN q int NOT NULL DEFAULT 3;
INSERT INTO b (x) VALUES (2);
SELECT x, w, q FROM b ORDER BY x;
ALTER TABLE b DROP COLUMN nope;
ALTER TABLE b DROP COLUMN IF EXISTS nope;
ALTER TABLE b DROP COLUMN q;
SELECT q FROM b;
ALTER TABLE b RENAME COLUMN w TO ww;
SELECT ww FROM b ORDER BY x;
ALTER TABLE b RENAME COLUMN nope TO z2;
ALTER TABLE b RENAME COLUMN ww TO y;
ALTER TABLE b ALTER COLUMN y SET DEFAULT 'e';
INSERT INTO b (x) VALUES (3) RETURNING y;
ALTER TABLE b ALTER COLUMN y DROP DEFAULT;
INSERT INTO b (x) VALUES (4) RETURNING y;
ALTER TABLE b ALTER COLUMN y SET NOT NULL;
UPDATE b SET y = 'filled' WHERE y IS NULL;
ALTER TABLE b ALTER COLUMN y SET NOT NULL;
INSERT INTO b (x) VALUES (5);
ALTER TABLE b ALTER COLUMN y DROP NOT NULL;
INSERT INTO b (x) VALUES (5);
ALTER TABLE b ALTER COLUMN nope SET NOT NULL;
ALTER TABLE nope ADD COLUMN x int;
ALTER TABLE IF EXISTS nope ADD COLUMN x int;
ALTER TABLE b RENAME TO a;
ALTER TABLE b RENAME TO c;
SELECT count(*) FROM b;
SELECT count(*) FROM c;
DROP TABLE b;
DROP TABLE IF EXISTS b;
DROP TABLE c;
SELECT * FROM c;
CREATE TABLE c (y text);
SELECT * FROM c;
DROP TABLE a, c;
SELECT * FROM a;
CREATE TABLE "Mixed Case" ("A b" int, "select" text);
INSERT INTO "Mixed Case" VALUES (1, 's');
SELECT "A b", "select" FROM "Mixed Case";
SELECT * FROM mixed;
DROP TABLE "Mixed Case";
-- constraints
-- differs: a statement or type that is not built
CREATE TABLE p (id int PRIMARY KEY, n int CHECK (n > 0), u text UNIQUE);
-- differs: a statement or type that is not built
INSERT INTO p VALUES (1, 5, 'a');
-- differs: a statement or type that is not built
INSERT INTO p VALUES (2, 0, 'b');
-- differs: a statement or type that is not built
INSERT INTO p VALUES (2, NULL, NULL);
-- differs: a statement or type that is not built
INSERT INTO p VALUES (3, 1, 'a');
-- differs: a statement or type that is not built
INSERT INTO p VALUES (3, 1, NULL);
-- differs: a statement or type that is not built
UPDATE p SET n = -1 WHERE id = 1;
-- differs: a statement or type that is not built
UPDATE p SET u = 'a' WHERE id = 3;
-- differs: a statement or type that is not built
INSERT INTO p VALUES (4, 1, 'a') ON CONFLICT (u) DO UPDATE SET n = excluded.n + 100;
-- differs: a statement or type that is not built
INSERT INTO p VALUES (4, 1, 'a') ON CONFLICT DO NOTHING;
-- differs: a statement or type that is not built
SELECT * FROM p ORDER BY id;
-- differs: a statement or type that is not built
CREATE TABLE ch (id int PRIMARY KEY, pid int REFERENCES p (id), note text);
-- differs: a statement or type that is not built
INSERT INTO ch VALUES (1, 1, 'ok');
-- differs: a statement or type that is not built
INSERT INTO ch VALUES (2, 99, 'orphan');
-- differs: a statement or type that is not built
INSERT INTO ch VALUES (3, NULL, 'none');
-- differs: a statement or type that is not built
DELETE FROM p WHERE id = 1;
-- differs: a statement or type that is not built
UPDATE p SET id = 50 WHERE id = 1;
-- differs: a statement or type that is not built
DELETE FROM p WHERE id = 3;
-- differs: a statement or type that is not built
UPDATE ch SET pid = 98 WHERE id = 1;
-- differs: a statement or type that is not built
DROP TABLE p;
-- differs: a statement or type that is not built
CREATE TABLE cc (id int PRIMARY KEY, pid int REFERENCES p (id) ON DELETE CASCADE);
-- differs: a statement or type that is not built
CREATE TABLE cn (id int PRIMARY KEY, pid int REFERENCES p (id) ON DELETE SET NULL);
-- differs: a statement or type that is not built
INSERT INTO p VALUES (10, 1, 'ten');
-- differs: a statement or type that is not built
INSERT INTO cc VALUES (1, 10);
-- differs: a statement or type that is not built
INSERT INTO cn VALUES (1, 10);
-- differs: a statement or type that is not built
DELETE FROM p WHERE id = 10;
-- differs: a statement or type that is not built
SELECT count(*) FROM cc;
-- differs: a statement or type that is not built
SELECT * FROM cn;
-- differs: a statement or type that is not built
CREATE TABLE bad (id int REFERENCES nope (id));
-- differs: a statement or type that is not built
CREATE TABLE bad (id int REFERENCES p (nope));
-- differs: a statement or type that is not built
CREATE TABLE bad (id int REFERENCES p (n));
-- differs: a statement or type that is not built
CREATE TABLE named (a int, b int, CONSTRAINT ab CHECK (a < b), CONSTRAINT uniq UNIQUE (a, b));
-- differs: a statement or type that is not built
INSERT INTO named VALUES (1, 2), (2, 3);
-- differs: a statement or type that is not built
INSERT INTO named VALUES (2, 1);
-- differs: a statement or type that is not built
INSERT INTO named VALUES (1, 2);
-- differs: a statement or type that is not built
INSERT INTO named VALUES (NULL, 2), (NULL, 2);
-- differs: a statement or type that is not built
ALTER TABLE named DROP CONSTRAINT ab;
-- differs: a statement or type that is not built
INSERT INTO named VALUES (2, 1);
-- differs: a statement or type that is not built
ALTER TABLE named ADD CONSTRAINT ab CHECK (a < b);
-- differs: a statement or type that is not built
ALTER TABLE named ADD CONSTRAINT pos CHECK (a > 0);
-- differs: a statement or type that is not built
INSERT INTO named VALUES (0, 1);
-- differs: a statement or type that is not built
ALTER TABLE named DROP CONSTRAINT nope;
-- generated values
-- differs: a statement or type that is not built
CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
-- differs: a statement or type that is not built
INSERT INTO gen (a) VALUES (5), (6);
-- differs: a statement or type that is not built
SELECT * FROM gen ORDER BY id;
-- differs: a statement or type that is not built
INSERT INTO gen (id, a) VALUES (9, 1);
-- differs: a statement or type that is not built
INSERT INTO gen (a, twice) VALUES (1, 2);
-- differs: a statement or type that is not built
UPDATE gen SET a = 10 WHERE id = 1 RETURNING twice;
-- differs: a statement or type that is not built
CREATE TABLE gd (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a text);
-- differs: a statement or type that is not built
INSERT INTO gd (a) VALUES ('x') RETURNING id;
-- differs: a statement or type that is not built
INSERT INTO gd VALUES (100, 'y') RETURNING id;
-- differs: a statement or type that is not built
INSERT INTO gd (a) VALUES ('z') RETURNING id;
-- indexes, views, schemas, CTAS
-- differs: a statement or type that is not built
CREATE INDEX gd_a ON gd (a);
-- differs: a statement or type that is not built
CREATE UNIQUE INDEX gd_u ON gd (a);
-- differs: a statement or type that is not built
INSERT INTO gd (a) VALUES ('x');
-- differs: a statement or type that is not built
SELECT id FROM gd WHERE a = 'y';
-- differs: a statement or type that is not built
CREATE INDEX gd_a ON gd (a);
-- differs: a statement or type that is not built
CREATE INDEX IF NOT EXISTS gd_a ON gd (a);
-- differs: a statement or type that is not built
CREATE INDEX bad ON gd (nope);
-- differs: a statement or type that is not built
DROP INDEX gd_u;
-- differs: a statement or type that is not built
DROP INDEX nope;
-- differs: a statement or type that is not built
INSERT INTO gd (a) VALUES ('x');
-- differs: a statement or type that is not built
CREATE VIEW v AS SELECT a, count(*) AS n FROM gd GROUP BY a;
-- differs: a statement or type that is not built
SELECT * FROM v ORDER BY a;
-- differs: a statement or type that is not built
CREATE VIEW v AS SELECT 1;
-- differs: a statement or type that is not built
CREATE OR REPLACE VIEW v AS SELECT a, count(*) AS n FROM gd WHERE a <> 'z' GROUP BY a;
-- differs: a statement or type that is not built
SELECT a, n FROM v ORDER BY a;
-- differs: a statement or type that is not built
DROP VIEW nope;
-- differs: a statement or type that is not built
DROP TABLE v;
-- differs: a statement or type that is not built
DROP VIEW v;
SELECT * FROM v;
-- differs: a statement or type that is not built
CREATE TABLE made AS SELECT id, a FROM gd WHERE a = 'x';
-- differs: a statement or type that is not built
SELECT count(*) FROM made;
-- differs: a statement or type that is not built
CREATE TABLE made AS SELECT 1 AS one;
-- differs: a statement or type that is not built
CREATE SCHEMA s;
-- differs: a statement or type that is not built
CREATE TABLE s.t (a int);
-- differs: a statement or type that is not built
INSERT INTO s.t VALUES (1);
-- differs: a statement or type that is not built
SELECT a FROM s.t;
-- differs: a statement or type that is not built
CREATE SCHEMA s;
-- differs: a statement or type that is not built
DROP SCHEMA s;
-- differs: a statement or type that is not built
DROP SCHEMA s CASCADE;
-- differs: a statement or type that is not built
SELECT a FROM s.t;
-- differs: a statement or type that is not built
COMMENT ON TABLE made IS 'made from gd';
-- differs: a statement or type that is not built
COMMENT ON COLUMN made.id IS 'number';
-- differs: a statement or type that is not built
COMMENT ON TABLE nope IS 'x';
-- differs: a statement or type that is not built
ALTER TABLE made ALTER COLUMN id TYPE bigint;
-- differs: a statement or type that is not built
SELECT id + 1 > 0 FROM made;
-- differs: a statement or type that is not built
ALTER TABLE made ALTER COLUMN a TYPE int;
