-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), having.slt
-- differs: HAVING without groups and aggregates is refused
select 42 having 42 > 18;
-- differs: HAVING without groups and aggregates is refused
select 42 having 42 > 801;
CREATE TABLE test (x INT, y INT);
INSERT INTO test VALUES (1, 2), (2, 2), (11, 22);
select x from test group by x having max(y) = 22;
select y + 1 as i from test group by y + 1 having count(x) > 1 and y + 1 = 3 or y + 1 = 23 order by i;
