-- JSON and JSONB
-- differs: a statement or type that is not built
SELECT '{"a": 1, "b": [1, 2, {"c": null}]}'::jsonb;
-- differs: a statement or type that is not built
SELECT '{"b": 1, "a": 2, "b": 3}'::jsonb;
-- differs: a statement or type that is not built
SELECT '{"b": 1, "a": 2, "b": 3}'::json;
-- differs: a statement or type that is not built
SELECT '{"a": 1'::jsonb;
-- differs: a statement or type that is not built
SELECT '[1, 2.50, "x", true, null]'::jsonb;
-- differs: a statement or type that is not built
SELECT '{"a": {"b": 5}}'::jsonb -> 'a';
-- differs: a statement or type that is not built
SELECT '{"a": {"b": 5}}'::jsonb -> 'a' -> 'b';
-- differs: a statement or type that is not built
SELECT '{"a": {"b": 5}}'::jsonb -> 'a' ->> 'b';
-- differs: a statement or type that is not built
SELECT '{"a": "text"}'::jsonb ->> 'a';
-- differs: a statement or type that is not built
SELECT '{"a": "text"}'::jsonb -> 'a';
-- differs: a statement or type that is not built
SELECT '{"a": null}'::jsonb ->> 'a' IS NULL;
-- differs: a statement or type that is not built
SELECT '{"a": null}'::jsonb -> 'a' IS NULL;
-- differs: a statement or type that is not built
SELECT '{"a": 1}'::jsonb -> 'z';
-- differs: a statement or type that is not built
SELECT '[10, 20, 30]'::jsonb -> 1;
-- differs: a statement or type that is not built
SELECT '[10, 20, 30]'::jsonb -> -1;
-- differs: a statement or type that is not built
SELECT '[10, 20, 30]'::jsonb ->> 5;
-- differs: a statement or type that is not built
SELECT '{"a": {"b": [7, 8]}}'::jsonb #> '{a,b,1}';
-- differs: a statement or type that is not built
SELECT '{"a": {"b": [7, 8]}}'::jsonb #>> '{a,b,0}';
-- differs: a statement or type that is not built
SELECT '{"a": 1, "b": 2}'::jsonb @> '{"a": 1}';
-- differs: a statement or type that is not built
SELECT '{"a": 1, "b": 2}'::jsonb @> '{"a": 2}';
-- differs: a statement or type that is not built
SELECT '[1, 2, 3]'::jsonb @> '[3, 1]';
-- differs: a statement or type that is not built
SELECT '{"a": 1}'::jsonb <@ '{"a": 1, "b": 2}';
-- differs: a statement or type that is not built
SELECT '{"a": 1, "b": 2}'::jsonb ? 'a';
-- differs: a statement or type that is not built
SELECT '{"a": 1}'::jsonb || '{"b": 2}';
-- differs: a statement or type that is not built
SELECT '{"a": 1, "b": 2}'::jsonb - 'a';
-- differs: a statement or type that is not built
SELECT '{"a": 1}'::jsonb = '{"a": 1.0}'::jsonb;
-- differs: a statement or type that is not built
SELECT jsonb_typeof('{"a": 1}'::jsonb);
-- differs: a statement or type that is not built
SELECT jsonb_typeof('[1]'::jsonb);
-- differs: a statement or type that is not built
SELECT jsonb_typeof('1'::jsonb);
-- differs: a statement or type that is not built
SELECT jsonb_array_length('[1, 2, 3]'::jsonb);
-- differs: a statement or type that is not built
SELECT ('{"a": 5}'::jsonb ->> 'a')::int + 1;
-- differs: a statement or type that is not built
SELECT jsonb_build_object('a', 1, 'b', 'x');
-- differs: a statement or type that is not built
SELECT jsonb_build_array(1, 'a', NULL, true);
-- differs: a statement or type that is not built
SELECT to_jsonb('x'::text);
-- differs: a statement or type that is not built
CREATE TABLE docs (id int PRIMARY KEY, d jsonb);
-- differs: a statement or type that is not built
INSERT INTO docs VALUES (1, '{"name": "ann", "tags": ["x", "y"], "age": 30}'), (2, '{"name": "bob", "tags": []}'), (3, NULL);
-- differs: a statement or type that is not built
INSERT INTO docs VALUES (4, 'not json');
-- differs: a statement or type that is not built
SELECT d ->> 'name' FROM docs ORDER BY id;
-- differs: a statement or type that is not built
SELECT id FROM docs WHERE d ->> 'name' = 'bob';
-- differs: a statement or type that is not built
SELECT id FROM docs WHERE d @> '{"tags": ["x"]}';
-- differs: a statement or type that is not built
SELECT id FROM docs WHERE (d ->> 'age')::int > 20;
-- differs: a statement or type that is not built
SELECT id, d -> 'tags' -> 0 FROM docs ORDER BY id;
-- differs: a statement or type that is not built
SELECT d FROM docs ORDER BY id;
-- differs: a statement or type that is not built
UPDATE docs SET d = '{"name": "new"}' WHERE id = 3 RETURNING d;
-- differs: a statement or type that is not built
SELECT count(*) FROM docs WHERE d -> 'age' IS NULL;
