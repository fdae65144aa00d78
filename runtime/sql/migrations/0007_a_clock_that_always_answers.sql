-- environment_now() is in every claim. A row that nobody can have meant (an offset of ten thousand years, an infinite one, or no row
-- at all) made each of them an error, and with it every loop of every process stood still. Such an offset now moves nothing.
CREATE OR REPLACE FUNCTION environment_now() RETURNS timestamptz LANGUAGE sql STABLE
    SET search_path = bookstore_platform, pg_temp
    AS $$ SELECT clock_timestamp() + coalesce(
              (SELECT "offset" FROM environment_clock
               WHERE "offset" BETWEEN interval '-100 years' AND interval '100 years'),
              interval '0') $$;
