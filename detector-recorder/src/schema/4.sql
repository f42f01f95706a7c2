-- As in 2.sql.
PRAGMA writable_schema = ON;

-- The thresholds that the agent judged by when the card was written: the object `thresholds` of docs/schema/status.json;
-- NULL in rows of older versions.
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', thresholds TEXT) STRICT') WHERE name = 'cards';

PRAGMA writable_schema = RESET;
