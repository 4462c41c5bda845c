-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), nullable_and_or_eval.slt
create table bool_t1 (v1 boolean, v2 boolean, v3 int not null);
insert into bool_t1 values (true, false, 1), (false, true, 2), (false, false, 3), (true, true, 4),
                           (true, null, 5), (null, true, 6), (false, null, 7), (null, false, 8), (null, null, 9);
select v1 or v2 from bool_t1;
select v1 and v2 from bool_t1;
drop table bool_t1;
