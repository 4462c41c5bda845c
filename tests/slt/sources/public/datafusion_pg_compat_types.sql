-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), pg_compat_types.slt
select null::VARCHAR;
select 'a'::VARCHAR, ''::VARCHAR;
select 'a'::TEXT, ''::TEXT;
select -1::SMALLINT;
select -1::INT as one, -2::INTEGER as two;
select -1::BIGINT;
select 1::SMALLINT UNSIGNED;
select 1::BIGINT UNSIGNED;
select 1.0::FLOAT, 1.023::FLOAT, 'NaN'::FLOAT,'+Inf'::FLOAT,'-Inf'::FLOAT;
select 1.0::REAL, 1.023::REAL, 'NaN'::REAL,'+Inf'::REAL,'-Inf'::REAL;
select 1.0::DECIMAL(5,3) as one, 2.023::DECIMAL(5,3) as two, 3.023::DECIMAL(5,2) as three;
select '2018-01-01'::DATE;
select '12:00:01'::TIME;
select '2018-01-01 12:00:00'::TIMESTAMP;
select true::BOOLEAN, 'false'::BOOLEAN;
