-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), pg_compat_type_coercion.slt
select true and true, false and false;
select true or true, false or false;
select false and true, true and false;
select false or true, true or false;
select null and null, null or null;
select true and null,
       false and null,
       null and true,
       null and false;
select true or null,
       false or null,
       null or true,
       null or false;
