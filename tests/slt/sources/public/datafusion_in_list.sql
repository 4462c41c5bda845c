-- Statements of datafusion-sqllogictest 55.2.0 (Apache-2.0, The Apache Software Foundation), in_list.slt
-- differs: a statement or type that is not built
CREATE TABLE in_list_interval AS
SELECT * FROM (VALUES
  ('match', INTERVAL '11 months'),
  ('no_match', INTERVAL '7 months'),
  ('nulls', NULL)
) AS t(label, imdn);
-- differs: a statement or type that is not built
SELECT
  label,
  imdn IN (INTERVAL '3 months', INTERVAL '4 months', INTERVAL '5 months', INTERVAL '11 months'),
  imdn IN (INTERVAL '3 months', INTERVAL '4 months', INTERVAL '5 months', INTERVAL '11 months', INTERVAL '13 months')
FROM in_list_interval
ORDER BY label;
-- differs: a statement or type that is not built
SELECT
  label,
  imdn NOT IN (INTERVAL '3 months', INTERVAL '4 months', INTERVAL '5 months', INTERVAL '11 months'),
  imdn NOT IN (INTERVAL '3 months', INTERVAL '4 months', INTERVAL '5 months', INTERVAL '11 months', INTERVAL '13 months')
FROM in_list_interval
ORDER BY label;
-- differs: a statement or type that is not built
SELECT
  label,
  imdn IN (NULL, INTERVAL '3 months', INTERVAL '4 months', INTERVAL '11 months'),
  imdn IN (NULL, INTERVAL '11 months')
FROM in_list_interval
ORDER BY label;
-- differs: a statement or type that is not built
DROP TABLE in_list_interval;
