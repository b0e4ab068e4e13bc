import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.*;
import java.util.*;

/** Runs statements with the JDBC driver and prints one line per result. */
public class Client {
  public static void main(String[] args) throws Exception {
    StringBuilder out = new StringBuilder();
    try (Connection conn = DriverManager.getConnection(args[0])) {
      for (String statement : Files.readAllLines(Path.of(args[1]), StandardCharsets.UTF_8)) {
        try (Statement s = conn.createStatement(); ResultSet rows = s.executeQuery(statement)) {
          out.append(read(rows)).append('\n');
        } catch (SQLException e) {
          out.append("error ").append(e.getSQLState()).append('\n');
        }
      }
      // A prepared statement becomes a named one, with binary transfer, after five runs.
      try (PreparedStatement p = conn.prepareStatement("SELECT ?::int * 2, ?::text, ?::timestamptz")) {
        for (int i = 0; i < 9; i++) {
          p.setInt(1, i);
          p.setString(2, i % 2 == 0 ? null : "é'");
          p.setTimestamp(3, new Timestamp(1769860000000L + i));
          try (ResultSet rows = p.executeQuery()) {
            out.append(read(rows)).append('\n');
          }
        }
      }
      // Rows in parts: a portal with a limit, across Syncs.
      conn.setAutoCommit(false);
      conn.setReadOnly(true);
      try (Statement s = conn.createStatement()) {
        s.setFetchSize(700);
        long sum = 0;
        try (ResultSet rows = s.executeQuery("SELECT n FROM generate_series(1, 5000) n")) {
          while (rows.next()) sum += rows.getLong(1);
        }
        out.append(sum).append('\n');
      }
      conn.commit();
      conn.setReadOnly(false);
      conn.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      DatabaseMetaData meta = conn.getMetaData();
      try (ResultSet columns = meta.getColumns(null, "public", "events", null)) {
        while (columns.next()) out.append(columns.getString("COLUMN_NAME")).append(' ').append(columns.getString("TYPE_NAME")).append(' ');
      }
      out.append('\n');
      conn.rollback();
    }
    System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  static String read(ResultSet rows) throws SQLException {
    StringBuilder line = new StringBuilder();
    int columns = rows.getMetaData().getColumnCount();
    while (rows.next()) {
      line.append('[');
      for (int i = 1; i <= columns; i++) {
        Object value = rows.getObject(i);
        line.append(value instanceof byte[] ? Arrays.toString((byte[]) value) : String.valueOf(value)).append('|');
      }
      line.append(']');
    }
    return line.toString().replace("\n", "\\n");
  }
}
