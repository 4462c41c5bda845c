-- MERGE
CREATE TABLE target (id int PRIMARY KEY, v text, n int DEFAULT 0);
CREATE TABLE source (id int, v text, n int);
INSERT INTO target VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO source VALUES (2, 'TWO', 20), (3, 'THREE', -1), (4, 'FOUR', 40);
-- differs: a statement or type that is not built
MERGE INTO target t USING source s ON t.id = s.id WHEN MATCHED AND s.n < 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v, n = t.n + s.n WHEN NOT MATCHED THEN INSERT (id, v, n) VALUES (s.id, s.v, s.n);
-- differs: a statement or type that is not built
SELECT * FROM target ORDER BY id;
-- differs: a statement or type that is not built
MERGE INTO target t USING source s ON t.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v);
-- differs: a statement or type that is not built
SELECT * FROM target ORDER BY id;
-- differs: a statement or type that is not built
MERGE INTO target t USING (SELECT 1 AS id, 'x' AS v) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v || t.v;
-- differs: a statement or type that is not built
SELECT v FROM target WHERE id = 1;
-- differs: a statement or type that is not built
MERGE INTO target t USING (VALUES (1), (1)) s(id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'twice';
-- differs: a statement or type that is not built
MERGE INTO target t USING (VALUES (50), (50)) s(id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'dup');
-- differs: a statement or type that is not built
MERGE INTO target t USING source s ON t.id = s.id WHEN MATCHED THEN UPDATE SET nope = 1;
-- differs: a statement or type that is not built
MERGE INTO target t USING nope s ON t.id = s.id WHEN MATCHED THEN DELETE;
-- differs: a statement or type that is not built
MERGE INTO target t USING source s ON false WHEN NOT MATCHED AND s.n > 100 THEN INSERT VALUES (s.id, s.v);
-- differs: a statement or type that is not built
MERGE INTO target t USING source s ON t.id = s.id WHEN MATCHED AND t.id = 2 THEN DELETE;
-- differs: a statement or type that is not built
SELECT * FROM target ORDER BY id;
-- differs: a statement or type that is not built
MERGE INTO target USING source ON target.id = source.id WHEN MATCHED THEN UPDATE SET n = DEFAULT;
-- differs: a statement or type that is not built
SELECT * FROM target ORDER BY id;
