-- Statements of risinglight 0.2.0 (Apache-2.0, RisingLight Project Authors), blob.slt
CREATE TABLE blobs (b BYTEA);
SELECT * FROM blobs;
DROP TABLE blobs;
CREATE TABLE blobs (b BYTEA);
SELECT * FROM blobs;
DROP TABLE blobs;
CREATE TABLE blobs (b BYTEA);
INSERT INTO blobs VALUES('\xaa1199'), ('\xaa1199aa1199'), ('\xaa1199aa1199aa1199');
SELECT * FROM blobs;
SELECT 'abc �'::BYTEA;
