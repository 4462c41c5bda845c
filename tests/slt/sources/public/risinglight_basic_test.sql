-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), basic_test.slt
select 1;
select 10000.00::FLOAT + 234.567::FLOAT;
select 2>1;
select 3>4;
select DATE '2001-02-16';
create table t(v1 int null);
insert into t values(null);
select * from t;
drop table t;
create table t(v1 int not null, v2 int not null, v3 int not null);
insert into t values(1,4,2), (2,3,3), (3,4,4), (4,3,5);
select v1,v3 from t where v2 > 3;
drop table t;
create table t (name VARCHAR NOT NULL);
insert into t values ('text1'), ('text2');
select * from t;
drop table t;
