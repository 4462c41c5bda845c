-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), aggregation.slt
create table t(v1 int not null);
select count(v1) from t;
select count(v1) from t group by v1;
drop table t;
create table t(v1 decimal(10, 2) not null);
insert into t values(-1.0), (-2.0), (1.00), (13.00);
drop table t;
CREATE TABLE test(x INT);
SELECT sum(x) FROM test;
DROP TABLE test;
CREATE TABLE test(x INT, y INT);
INSERT INTO test VALUES (1, 1), (2, 2), (3, 3), (3, 5), (NULL, NULL);
DROP TABLE test;
