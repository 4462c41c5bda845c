-- dates and times
SELECT DATE '2024-02-29';
SELECT DATE '2024-12-31' + 1;
SELECT DATE '2024-01-01' - 1;
SELECT DATE '2024-03-01' - DATE '2024-02-01';
SELECT '2024-02-30'::date;
SELECT '2023-02-29'::date;
SELECT 'hello'::date;
SELECT '2024-13-01'::date;
SELECT DATE '0001-01-01';
SELECT DATE '9999-12-31';
SELECT DATE '1969-12-31';
SELECT DATE '1582-10-10';
SELECT DATE '2024-01-15' < DATE '2024-02-01';
SELECT DATE '2024-01-01' = '2024-01-01';
SELECT DATE '2024-01-01' BETWEEN '2023-01-01' AND '2025-01-01';
SELECT DATE '2024-01-31' + INTERVAL '1 month';
SELECT DATE '2024-01-01' + INTERVAL '36 hours';
SELECT DATE '2024-03-31' - INTERVAL '1 month';
SELECT TIMESTAMP '2024-01-01 12:34:56';
SELECT TIMESTAMP '2024-01-01 12:34:56.789';
SELECT TIMESTAMP '2024-01-01';
SELECT '2024-01-01T01:02:03'::timestamp;
SELECT TIMESTAMP '2024-01-01 00:00:00.000001';
SELECT TIMESTAMP '2024-01-01 12:34:56.1234567';
SELECT TIMESTAMP '2024-01-01 25:00:00';
SELECT TIMESTAMP '2024-01-01 24:00:00';
SELECT TIMESTAMP '2024-01-01 10:00' + INTERVAL '1 day';
SELECT TIMESTAMP '2024-01-01 10:00' - INTERVAL '90 minutes';
SELECT TIMESTAMP '2024-01-31 10:00' + INTERVAL '1 month 1 day';
-- differs: forms of dates and times that are not read or written
SELECT TIMESTAMP '2024-01-03 10:00' - TIMESTAMP '2024-01-01 08:30';
SELECT TIMESTAMPTZ '2024-01-01 12:00:00+02';
SELECT TIMESTAMPTZ '2024-01-01 12:00:00Z';
SELECT TIMESTAMPTZ '2024-01-01 12:00:00';
SELECT '2024-06-01 12:00:00-05:30'::timestamptz;
SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00' AT TIME ZONE 'Europe/Berlin';
SELECT TIMESTAMP '2024-07-01 12:00:00' AT TIME ZONE 'Europe/Berlin';
SELECT TIMESTAMPTZ '2024-01-01 12:00:00+00' AT TIME ZONE 'America/New_York';
SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00' AT TIME ZONE 'Nowhere/Land';
SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' = TIMESTAMPTZ '2024-01-01 02:00:00+02';
SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' > TIMESTAMP '2023-01-01';
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(year FROM DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(month FROM DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(day FROM DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(quarter FROM DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(dow FROM DATE '2024-05-05');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(isodow FROM DATE '2024-05-05');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(doy FROM DATE '2024-12-31');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(week FROM DATE '2024-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(week FROM DATE '2023-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(isoyear FROM DATE '2023-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(hour FROM TIMESTAMP '2024-01-01 12:34:56.789');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(minute FROM TIMESTAMP '2024-01-01 12:34:56.789');
SELECT extract(second FROM TIMESTAMP '2024-01-01 12:34:56.789');
SELECT extract(milliseconds FROM TIMESTAMP '2024-01-01 12:34:56.789');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(microseconds FROM TIMESTAMP '2024-01-01 12:34:56.789');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(epoch FROM TIMESTAMP '2024-01-01 00:00:00');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(epoch FROM DATE '1970-01-02');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(epoch FROM TIMESTAMPTZ '2024-01-01 00:00:00.5+00');
-- differs: intervals are printed, read and compared in another form
SELECT extract(epoch FROM INTERVAL '1 day 1 second');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(century FROM DATE '2024-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(decade FROM DATE '2024-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(millennium FROM DATE '2024-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(century FROM DATE '2000-12-31');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(century FROM DATE '2001-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(julian FROM DATE '2024-01-01');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT date_part('year', DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT date_part('hour', TIMESTAMP '2024-01-01 12:34:56');
SELECT date_part('second', TIMESTAMP '2024-01-01 12:34:56.5');
SELECT extract(foo FROM DATE '2024-05-06');
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(hour FROM DATE '2024-05-06');
SELECT date_trunc('year', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('month', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('day', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('hour', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('week', TIMESTAMP '2024-05-08 12:34:56');
SELECT date_trunc('quarter', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('minute', TIMESTAMP '2024-05-06 12:34:56');
SELECT date_trunc('second', TIMESTAMP '2024-05-06 12:34:56.789');
-- differs: forms of dates and times that are not read or written
SELECT date_trunc('milliseconds', TIMESTAMP '2024-05-06 12:34:56.789123');
-- differs: forms of dates and times that are not read or written
SELECT date_trunc('decade', TIMESTAMP '2024-05-06');
-- differs: forms of dates and times that are not read or written
SELECT date_trunc('century', TIMESTAMP '2024-05-06');
-- differs: forms of dates and times that are not read or written
SELECT date_trunc('month', DATE '2024-05-06');
SELECT date_trunc('day', TIMESTAMPTZ '2024-05-06 23:34:56+00');
SELECT date_trunc('foo', TIMESTAMP '2024-05-06');
SELECT TIMESTAMP '2024-05-06 12:34:56'::date;
SELECT DATE '2024-05-06'::timestamp;
SELECT TIMESTAMP '2024-05-06 12:34:56'::text;
SELECT DATE '2024-05-06'::text;
SELECT TIMESTAMPTZ '2024-05-06 12:34:56+00'::date;
SELECT TIMESTAMPTZ '2024-05-06 12:34:56+00'::timestamp;
SELECT TIMESTAMP '2024-05-06 12:34:56'::timestamptz;
SELECT make_date(2024, 2, 29);
-- differs: this function is not built
SELECT make_timestamp(2024, 2, 29, 12, 30, 15.5);
SELECT make_date(2023, 2, 29);
SELECT to_date('2024-05-06', 'YYYY-MM-DD');
SELECT to_date('06/05/2024', 'DD/MM/YYYY');
SELECT to_timestamp(0);
SELECT to_timestamp(1704067200.5);
SELECT to_timestamp('2024-05-06 12:34', 'YYYY-MM-DD HH24:MI');
SELECT to_char(TIMESTAMP '2024-05-06 12:34:56', 'YYYY-MM-DD HH24:MI:SS');
SELECT to_char(DATE '2024-05-06', 'DD Mon YYYY');
SELECT to_char(TIMESTAMP '2024-05-06 15:04:05', 'HH12:MI AM');
-- differs: forms of dates and times that are not read or written
SELECT to_char(DATE '2024-05-06', 'Day');
-- differs: forms of dates and times that are not read or written
SELECT to_char(DATE '2024-05-06', 'FMDay, DDth FMMonth');
-- differs: forms of dates and times that are not read or written
SELECT to_char(DATE '2024-05-06', 'Q IW IYYY DDD D');
-- differs: forms of dates and times that are not read or written
SELECT to_char(1234.5, '9999.99');
-- differs: forms of dates and times that are not read or written
SELECT to_char(1234.5, 'FM9,999.00');
-- differs: forms of dates and times that are not read or written
SELECT to_char(-5, '999');
-- differs: forms of dates and times that are not read or written
SELECT to_char(5, '000');
-- differs: this function is not built
SELECT age(TIMESTAMP '2024-05-06', TIMESTAMP '2023-01-01');
-- differs: this function is not built
SELECT age(DATE '2024-01-01', DATE '2024-03-01');
SELECT now() = now();
SELECT current_timestamp = now();
SELECT current_date = now()::date;
SELECT localtimestamp = now()::timestamp;
-- differs: this function is not built
SELECT clock_timestamp() >= now();
SELECT transaction_timestamp() = now();
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 year 2 months';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '3 hours 4 minutes 5.5 seconds';
SELECT INTERVAL '-1 day';
SELECT INTERVAL '1 week';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day' + INTERVAL '2 hours';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day' * 2;
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 hour' / 2;
SELECT -INTERVAL '1 day';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '2 days' - INTERVAL '1 hour';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day' = INTERVAL '24 hours';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 month' = INTERVAL '30 days';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day' < INTERVAL '25 hours';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1' DAY;
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '2' HOUR;
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1-2' YEAR TO MONTH;
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL 'P1Y2M3DT4H5M6S';
-- differs: intervals are printed, read and compared in another form
SELECT INTERVAL '1 day 02:03:04';
SELECT INTERVAL 'foo';
-- differs: intervals are printed, read and compared in another form
SELECT extract(day FROM INTERVAL '3 days 4 hours');
-- differs: intervals are printed, read and compared in another form
SELECT extract(hour FROM INTERVAL '3 days 4 hours');
-- differs: intervals are printed, read and compared in another form
SELECT extract(month FROM INTERVAL '14 months');
-- differs: intervals are printed, read and compared in another form
SELECT justify_days(INTERVAL '35 days');
-- differs: intervals are printed, read and compared in another form
SELECT justify_hours(INTERVAL '27 hours');
-- differs: intervals are printed, read and compared in another form
SELECT justify_interval(INTERVAL '1 mon -1 hour');
-- differs: intervals are printed, read and compared in another form
SELECT make_interval(days => 10, hours => 2);
SELECT TIME '12:34:56';
SELECT TIME '12:34:56.789';
SELECT '23:59'::time;
SELECT TIME '12:00' + INTERVAL '30 minutes';
-- differs: forms of dates and times that are not read or written
SELECT TIME '12:00' - TIME '10:30';
-- differs: forms of dates and times that are not read or written
SELECT TIME '25:00';
SELECT TIMESTAMP '2024-05-06 12:34:56'::time;
SELECT DATE '2024-05-06' + TIME '10:00';
SELECT TIME '10:00' < TIME '11:00';
-- differs: EXTRACT gives whole numbers or floats, and knows fewer fields
SELECT extract(hour FROM TIME '10:20');
SELECT x FROM (VALUES (DATE '2024-01-01'), (DATE '2023-01-01'), (NULL)) t(x) ORDER BY x;
SELECT min(x), max(x), count(x) FROM (VALUES (DATE '2024-01-01'), (DATE '2023-01-01'), (NULL)) t(x);
-- differs: intervals are printed, read and compared in another form
SELECT generate_series(DATE '2024-01-01', DATE '2024-01-03', INTERVAL '1 day');
SELECT d::date FROM generate_series(TIMESTAMP '2024-01-30', TIMESTAMP '2024-02-02', INTERVAL '1 day') d;
SELECT DATE '2024-01-01' + 1.5;
SELECT DATE '2024-01-01' * 2;
SELECT DATE '2024-01-01' + DATE '2024-01-01';
-- differs: forms of dates and times that are not read or written
SELECT TIMESTAMP '2024-01-01' - DATE '2023-12-31';
SELECT DATE '2024-01-01' = TIMESTAMP '2024-01-01 00:00';
SELECT DATE '2024-01-01' < TIMESTAMP '2024-01-01 00:01';
SELECT date_bin('15 minutes', TIMESTAMP '2024-01-01 12:34:56', TIMESTAMP '2024-01-01');
-- differs: this function is not built
SELECT isfinite(DATE '2024-01-01');
-- differs: forms of dates and times that are not read or written
SELECT 'infinity'::date;
-- differs: forms of dates and times that are not read or written
SELECT (DATE '2024-01-01', DATE '2024-02-01') OVERLAPS (DATE '2024-01-15', DATE '2024-03-01');
SELECT '20240506'::date;
-- differs: forms of dates and times that are not read or written
SELECT 'May 6, 2024'::date;
SELECT '2024/05/06'::date;
-- differs: forms of dates and times that are not read or written
SELECT '6 May 2024'::date;
SELECT TIMESTAMP 'epoch';
-- differs: forms of dates and times that are not read or written
SELECT '2024-01-01 12:00 PM'::timestamp;
