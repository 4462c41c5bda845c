-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), eliminate_outer_join.slt
create table t1(a int, b int, c varchar);
create table t2(x int, y int, z varchar);
insert into t1 values (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (null, 40, 'd');
insert into t2 values (1, 100, 'p'), (2, 200, 'q'), (null, 300, 'r');
select * from t1 left join t2 on t1.a = t2.x where t2.x in (1, 2, 3);
select * from t1 right join t2 on t1.a = t2.x where t1.a in (1, 2);
select * from t1 full join t2 on t1.a = t2.x where t1.a in (1, 2) and t2.x in (1, 2);
select * from t1 left join t2 on t1.a = t2.x where t2.x in (1, 2, null);
select * from t1 left join t2 on t1.a = t2.x where t2.x between 1 and 3;
select * from t1 right join t2 on t1.a = t2.x where t1.a between 1 and 2;
select * from t1 left join t2 on t1.a = t2.x where t1.a in (1, 2, 3);
select * from t1 left join t2 on t1.a = t2.x where t2.x in (1, 2) or t2.x is null;
select * from t1 left join t2 on t1.a = t2.x where t2.z like 'p%';
select * from t1 right join t2 on t1.a = t2.x where t1.c like '%b%';
select * from t1 left join t2 on t1.a = t2.x where 'x' like t2.z;
select * from t1 full join t2 on t1.a = t2.x where t1.c like t2.z;
select * from t1 left join t2 on t1.a = t2.x where 'hello' like t1.c;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is true;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is false;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is not unknown;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is not true;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is unknown;
select * from t1 left join t2 on t1.a = t2.x where not ((t2.y > 150) is true);
select * from t1 left join t2 on t1.a = t2.x where not ((t2.y > 150) is false);
select * from t1 left join t2 on t1.a = t2.x where not ((t2.y > 150) is not unknown);
select * from t1 full join t2 on t1.a = t2.x where t1.a > 0;
select * from t1 full join t2 on t1.a = t2.x where t2.x in (1, 2);
select * from t1 full join t2 on t1.a = t2.x where t1.c like '%a%' and t2.y between 50 and 250;
select * from t1 full join t2 on t1.a = t2.x where (t2.y > 150) is true;
select * from t1 left join t2 on t1.a = t2.x where t2.x in (1, 2) and t2.y between 50 and 250;
select * from t1 left join t2 on t1.a = t2.x where (t2.y > 150) is true and t2.z like 'q%';
create table d(k int, flag int);
insert into d values (1, 1), (2, 1), (3, 0);
-- differs: sums of literals, which are BIGINT, are NUMERIC, and such whole-number types differ
select t1.a, sum(coalesce(t2.y, 0)) as ret_sum
from t1 left join t2 on t1.a = t2.x, d
where t2.y > 150
  and t1.a = d.k
  and d.flag = 1
group by t1.a;
with s as (
  select t1.a, t2.y
  from t1 left join t2 on t1.a = t2.x
)
select s.a from s where s.y > 150;
select t1.a
from t1 left join t2 on t1.a = t2.x
where abs(t2.y) > 5;
select t1.a
from t1 inner join t2 on t1.a = t2.x
where abs(t2.y) > 5;
select t1.a
from t1 left join t2 on t1.a = t2.x
where ceil(t2.y) > 150;
select t2.x
from t1 right join t2 on t1.a = t2.x
where floor(t1.b) > 15;
select t1.a
from t1 left join t2 on t1.a = t2.x
where atan2(t2.y, 1) > 1;
select t1.a
from t1 left join t2 on t1.a = t2.x
where power(2, t2.y) > 100;
select t1.a, t2.y
from t1 full join t2 on t1.a = t2.x
where round(t2.y, -2) >= 100;
select t1.a, t1.b
from t1 full join t2 on t1.a = t2.x
where trunc(t1.b, -1) >= 10;
drop table t1;
drop table t2;
drop table d;
