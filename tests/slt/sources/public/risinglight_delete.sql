-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), delete.slt
create table t(v1 int, v2 int, v3 int);
insert into t values (1,10,100);
insert into t values (1,10,100), (2,20,200), (3,30,300), (4,40,400);
delete from t where v1 = 1;
select * from t;
delete from t;
select * from t;
