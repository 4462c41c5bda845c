CREATE TABLE dept (id int PRIMARY KEY, name text NOT NULL, budget numeric(12,2));
CREATE TABLE emp (id int PRIMARY KEY, name text, dept_id int, salary numeric(10,2), hired date, boss int, rating float8);
INSERT INTO dept VALUES (1, 'sales', 1000.50), (2, 'tech', 5000.00), (3, 'empty', NULL), (4, 'legal', 250.25);
INSERT INTO emp VALUES (1, 'ann', 1, 100.00, '2020-01-15', NULL, 4.5), (2, 'bob', 1, 80.50, '2021-03-01', 1, 3.25), (3, 'cid', 2, 120.25, '2019-07-30', 1, NULL), (4, 'dee', 2, 95.00, '2022-02-28', 3, 5), (5, 'eve', 2, 95.00, '2020-12-31', 3, 2.75), (6, 'fay', NULL, 70.00, '2023-06-15', 2, 4.5), (7, NULL, 4, NULL, NULL, 2, 1.5), (8, 'hal', 9, 60.75, '2018-11-11', 7, 3.25);
-- joins of every kind
SELECT e.name, d.name FROM emp e JOIN dept d ON e.dept_id = d.id;
SELECT e.name, d.name FROM emp e LEFT JOIN dept d ON e.dept_id = d.id;
SELECT e.name, d.name FROM emp e RIGHT JOIN dept d ON e.dept_id = d.id;
SELECT e.name, d.name FROM emp e FULL JOIN dept d ON e.dept_id = d.id;
SELECT e.name, d.name FROM emp e CROSS JOIN dept d WHERE e.id < 3;
SELECT e.name, d.name FROM emp e, dept d WHERE e.dept_id = d.id AND d.name = 'tech';
SELECT e.name, d.name FROM emp e INNER JOIN dept d ON e.dept_id = d.id AND e.salary > 90;
SELECT e.name, d.name FROM emp e LEFT JOIN dept d ON e.dept_id = d.id AND e.salary > 90;
SELECT e.name, d.name FROM emp e LEFT JOIN dept d ON e.dept_id = d.id WHERE d.name IS NULL;
SELECT e.name, b.name AS boss FROM emp e LEFT JOIN emp b ON e.boss = b.id ORDER BY e.id;
SELECT a.id, b.id FROM emp a JOIN emp b ON a.salary < b.salary AND a.dept_id = b.dept_id ORDER BY a.id, b.id;
SELECT a.id, b.id FROM emp a FULL JOIN emp b ON a.id = b.boss AND a.id < 4 ORDER BY a.id NULLS LAST, b.id NULLS LAST;
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y) USING (id);
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) LEFT JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y) USING (id);
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) RIGHT JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y) USING (id);
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) FULL JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y) USING (id);
SELECT id, a.id, b.id FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) FULL JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y) USING (id);
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) NATURAL JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y);
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) NATURAL LEFT JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y);
-- differs: NATURAL FULL JOIN is refused
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(id, x) NATURAL FULL JOIN (VALUES (1, 'c'), (3, 'd')) b(id, y);
SELECT count(*) FROM (VALUES (1), (2)) a(x) NATURAL JOIN (VALUES (1), (3)) b(y);
SELECT * FROM (VALUES (1, 2)) a(x, y) JOIN (VALUES (1, 2)) b(x, y) USING (x, y);
SELECT * FROM (VALUES (1, 2), (1, 3)) a(x, y) JOIN (VALUES (1, 2)) b(x, y) USING (x);
SELECT a.*, b.y FROM (VALUES (1, 2)) a(x, y) JOIN (VALUES (1, 5)) b(x, y) USING (x);
SELECT count(*) FROM emp a JOIN emp b ON a.dept_id = b.dept_id JOIN emp c ON b.dept_id = c.dept_id;
SELECT count(*) FROM emp a JOIN emp b ON true;
SELECT count(*) FROM emp a LEFT JOIN emp b ON false;
SELECT e.name, d.name FROM emp e JOIN dept d ON e.dept_id = d.id OR d.id = 3 ORDER BY e.id, d.id;
SELECT e.id FROM emp e LEFT JOIN dept d ON e.dept_id = d.id LEFT JOIN emp b ON b.id = e.boss WHERE b.salary > 90 ORDER BY 1;
SELECT d.name, x.n FROM dept d LEFT JOIN (SELECT dept_id, count(*) n FROM emp GROUP BY dept_id) x ON x.dept_id = d.id;
SELECT d.name, e.name FROM dept d JOIN (emp e JOIN emp b ON e.boss = b.id) ON e.dept_id = d.id ORDER BY e.id;
SELECT e.id FROM emp e WHERE e.dept_id = (SELECT id FROM dept WHERE name = 'tech') ORDER BY 1;
SELECT NULL::int AS a, x.b FROM (VALUES (1)) y(a) LEFT JOIN (VALUES (NULL::int, 2)) x(a, b) ON x.a = y.a;
SELECT * FROM (VALUES (1), (NULL)) a(x) JOIN (VALUES (1), (NULL)) b(y) ON x = y;
SELECT * FROM (VALUES (1), (NULL)) a(x) JOIN (VALUES (1), (NULL)) b(y) ON x IS NOT DISTINCT FROM y;
SELECT * FROM (VALUES (1), (NULL)) a(x) LEFT JOIN (VALUES (1), (NULL)) b(y) ON x = y;
SELECT * FROM (VALUES (1), (NULL)) a(x) FULL JOIN (VALUES (1), (NULL)) b(y) ON x = y;
SELECT * FROM (VALUES (1)) a(x) JOIN (VALUES (1.0)) b(y) ON x = y;
SELECT * FROM (VALUES (1::bigint)) a(x) JOIN (VALUES (1::smallint)) b(y) ON x = y;
SELECT e.nope FROM emp e;
SELECT name FROM emp e JOIN dept d ON e.dept_id = d.id;
-- differs: another SQLSTATE
SELECT * FROM emp e JOIN dept d ON e.dept_id = nope.id;
SELECT * FROM emp JOIN emp ON true;
SELECT * FROM emp JOIN dept USING (nope);
-- differs: another SQLSTATE
SELECT emp.name FROM emp e;
SELECT * FROM emp e LEFT JOIN dept d;
-- LATERAL
SELECT d.name, x.name FROM dept d, LATERAL (SELECT e.name FROM emp e WHERE e.dept_id = d.id) x;
SELECT d.name, x.name FROM dept d CROSS JOIN LATERAL (SELECT e.name FROM emp e WHERE e.dept_id = d.id ORDER BY e.salary DESC, e.id LIMIT 1) x;
SELECT d.name, x.n FROM dept d LEFT JOIN LATERAL (SELECT count(*) n FROM emp e WHERE e.dept_id = d.id) x ON true;
SELECT d.name, x.n FROM dept d LEFT JOIN LATERAL (SELECT max(salary) n FROM emp e WHERE e.dept_id = d.id) x ON true;
SELECT a.x, b.y FROM (VALUES (1), (2)) a(x), LATERAL (SELECT a.x * 10) b(y);
SELECT a.x, b.y FROM (VALUES (1), (2)) a(x), LATERAL (VALUES (a.x), (a.x + 1)) b(y);
-- differs: table functions are named and used less freely
SELECT a.x, g FROM (VALUES (1), (2), (3)) a(x), LATERAL generate_series(1, a.x) g;
SELECT a.x, g FROM (VALUES (1), (2), (3)) a(x), generate_series(1, a.x) g;
SELECT d.name, x.name FROM dept d LEFT JOIN LATERAL (SELECT e.name FROM emp e WHERE e.dept_id = d.id LIMIT 1) x ON true WHERE d.id = 3;
SELECT x.a, y.b, z.c FROM (VALUES (1)) x(a), LATERAL (SELECT a + 1) y(b), LATERAL (SELECT a + b) z(c);
SELECT e.id, t.tag FROM emp e, LATERAL (SELECT CASE WHEN e.salary > 90 THEN 'high' ELSE 'low' END) t(tag) ORDER BY e.id;
SELECT a.x, u FROM (VALUES (ARRAY[1,2]), (ARRAY[3])) a(x), unnest(a.x) u;
SELECT a.x, s.total FROM (VALUES (90), (100)) a(x) CROSS JOIN LATERAL (SELECT sum(salary) total FROM emp WHERE salary > a.x) s ORDER BY 1;
