-- arrays
SELECT ARRAY[1, 2, 3];
SELECT ARRAY['a', 'b c', NULL, ''];
SELECT ARRAY[]::int[];
SELECT ARRAY[1, 2] || 3;
SELECT ARRAY[1, 2] || ARRAY[3, 4];
SELECT 0 || ARRAY[1];
SELECT (ARRAY[10, 20, 30])[2];
SELECT (ARRAY[10, 20, 30])[5];
SELECT (ARRAY[10, 20, 30])[1:2];
SELECT array_length(ARRAY[1, 2, 3], 1);
-- differs: a statement or type that is not built
SELECT array_length(ARRAY[]::int[], 1);
SELECT cardinality(ARRAY[1, 2, 3]);
SELECT array_append(ARRAY[1], 2);
SELECT array_prepend(0, ARRAY[1]);
SELECT array_cat(ARRAY[1], ARRAY[2]);
-- differs: a statement or type that is not built
SELECT array_remove(ARRAY[1, 2, 1], 1);
-- differs: a statement or type that is not built
SELECT array_replace(ARRAY[1, 2, 1], 1, 9);
SELECT array_position(ARRAY['a', 'b'], 'b');
-- differs: a statement or type that is not built
SELECT array_positions(ARRAY[1, 2, 1], 1);
SELECT ARRAY[1, 2] = ARRAY[1, 2];
SELECT ARRAY[1, 2] < ARRAY[1, 3];
SELECT ARRAY[1, 2, 3] @> ARRAY[2];
SELECT ARRAY[2] <@ ARRAY[1, 2, 3];
-- differs: a statement or type that is not built
SELECT ARRAY[1, 2] && ARRAY[2, 3];
SELECT 2 = ANY (ARRAY[1, 2, 3]);
SELECT 4 = ANY (ARRAY[1, 2, 3]);
SELECT 1 < ALL (ARRAY[2, 3]);
SELECT array_to_string(ARRAY['a', NULL, 'b'], '-');
SELECT string_to_array('1,2,3', ',')::int[];
-- differs: array literals in quotes are not read
SELECT '{1,2,3}'::int[];
-- differs: array literals in quotes are not read
SELECT '{a,"b c",NULL}'::text[];
SELECT '{1,x}'::int[];
SELECT ARRAY[1, 2]::text[];
SELECT unnest(ARRAY[3, 1, 2]) AS x ORDER BY x;
SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[3, 1, 2]) AS u(x);
-- differs: a statement or type that is not built
SELECT array_upper(ARRAY[1, 2], 1);
-- differs: a statement or type that is not built
SELECT array_lower(ARRAY[1, 2], 1);
SELECT array_ndims(ARRAY[1, 2]);
SELECT ARRAY[ARRAY[1, 2], ARRAY[3, 4]];
-- differs: a statement or type that is not built
CREATE TABLE arr (id int PRIMARY KEY, tags text[], nums int[]);
-- differs: a statement or type that is not built
INSERT INTO arr VALUES (1, ARRAY['a', 'b'], '{1,2}'), (2, '{}', NULL), (3, ARRAY['b', NULL], ARRAY[5]);
-- differs: a statement or type that is not built
SELECT * FROM arr ORDER BY id;
-- differs: a statement or type that is not built
SELECT id FROM arr WHERE 'b' = ANY (tags) ORDER BY id;
-- differs: a statement or type that is not built
SELECT id, nums[1], cardinality(tags) FROM arr ORDER BY id;
-- differs: a statement or type that is not built
SELECT id FROM arr WHERE tags @> ARRAY['a'];
-- differs: a statement or type that is not built
SELECT id, unnest(nums) FROM arr ORDER BY id, 2;
-- differs: a statement or type that is not built
UPDATE arr SET nums = nums || 9 WHERE id = 1 RETURNING nums;
-- differs: a statement or type that is not built
UPDATE arr SET tags = array_append(tags, 'z') WHERE id = 2 RETURNING tags;
-- differs: a statement or type that is not built
INSERT INTO arr VALUES (4, ARRAY[1, 2], NULL);
-- differs: a statement or type that is not built
SELECT count(*) FROM arr WHERE nums IS NULL;
