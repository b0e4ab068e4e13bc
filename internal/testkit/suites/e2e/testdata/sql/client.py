"""Runs statements with psycopg2 or psycopg (3) and prints the results as JSON."""
import json
import sys

driver, url, path = sys.argv[1:4]
results = []
if driver == "psycopg2":
    import psycopg2
    from urllib.parse import unquote, urlparse

    # The lines of the documentation, with the address of the URL.
    u = urlparse(url)
    conn = psycopg2.connect(
        host=u.hostname,
        port=u.port,
        database="analytics",
        user="analytics_admin",
        password=unquote(u.password),
    )
    conn.set_session()
    Error = psycopg2.Error
    code = lambda e: e.pgcode
    named = lambda: conn.cursor(name="streamed")
else:
    import psycopg

    conn = psycopg.connect(url)
    Error = psycopg.Error
    code = lambda e: e.sqlstate
    named = lambda: conn.cursor(name="streamed")

for statement in json.load(open(path)):
    cursor = conn.cursor()
    try:
        cursor.execute(statement)
        results.append([[None if v is None else str(bytes(v)) if isinstance(v, (memoryview, bytes)) else str(v) for v in row] for row in cursor.fetchall()])
    except Error as e:
        results.append({"error": code(e)})
        conn.rollback()
# A cursor on the server, read in parts within a transaction.
cursor = named()
cursor.itersize = 700
cursor.execute("SELECT n FROM generate_series(1, 5000) n")
results.append(sum(row[0] for row in cursor))
cursor.close()
conn.rollback()
# A failed transaction accepts nothing until its end.
try:
    conn.cursor().execute("SELECT 1/0")
except Error as e:
    results.append(code(e))
try:
    conn.cursor().execute("SELECT 1")
except Error as e:
    results.append(code(e))
conn.rollback()
# Parameters.
cursor = conn.cursor()
cursor.execute("SELECT %s::text || 'x', %s::int + 1, %s::text IS NULL", ("é'\\", 41, None))
results.append([str(v) for v in cursor.fetchone()])
conn.commit()
if driver == "psycopg2":
    import io

    out = io.StringIO()
    conn.cursor().copy_expert("COPY (SELECT n, 'x' FROM generate_series(1, 3) n) TO STDOUT WITH CSV", out)
    results.append(out.getvalue())
else:
    for _ in range(8):  # psycopg prepares a statement after five runs
        cursor.execute("SELECT %s::int * 2", (21,), binary=True)
    results.append(str(cursor.fetchone()[0]))
conn.close()
json.dump(results, sys.stdout)
