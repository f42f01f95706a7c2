//! What stores and collectors of logs say about a line: when and by whom it was written.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

const WINDOW: &str = "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)";

/// A record with the text in place of `%`.
fn filled(record: &str) -> LogReport {
    read(&format!("{}\n", record.replace('%', WINDOW)))
}

#[test]
fn records_that_name_a_program_are_its_own() {
    for record in [
        r#"{"timestamp":"2026-10-08T08:40:00.000Z","source":"web1","application_name":"app","message":"%"}"#,
        r#"{"@timestamp":"2026-10-08T08:40:01Z","syslog_program":"app","message":"%"}"#,
        r#"{"timestamp":"2026-10-08T08:40:01Z","host":"web1","tag":"app[123]:","message":"%"}"#,
        r#"{"timestamp":"2026-10-08T08:40:01Z","host":"web1","tag":"app[123]","message":"%"}"#,
        r#"{"timestamp":"2026-10-08T08:40:01Z","host":"web1","tag":"app:","message":"%"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1791448800000000","MESSAGE":"%","_COMM":"python3"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1791448800000000","_SYSTEMD_UNIT":"app.service","MESSAGE":"%"}"#,
        r#"{"EventTime":"2026-10-08 08:40:00","SyslogFacility":"AUTH","SourceName":"sshd","Message":"%"}"#,
        r#"{"_time":"2026-10-08T08:40:01.123Z","_msg":"%","_TRANSPORT":"stdout"}"#,
        r#"{"stream":{"host":"web1","unit":"app.service"},"values":[["1791448800000000000","%"]]}"#,
        r#"2024-05-01T12:00:00Z {host="web1", unit="app.service"} %"#,
        r#"{"resource":{"attributes":[{"key":"telemetry.sdk.name","value":{"stringValue":"opentelemetry"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"%"}}]}]}"#,
        r#"{"logRecords":[{"body":{"stringValue":"%"},"attributes":[{"key":"appname","value":{"stringValue":"app"}}]}]}"#,
        r#"{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"MESSAGE","value":{"stringValue":"%"}},{"key":"_TRANSPORT","value":{"stringValue":"stdout"}}]}}}]}"#,
        "\"timestamp\",\"source\",\"application_name\",\"message\"\n\"2026-10-08T08:40:01.000Z\",\"web1\",\"app\",\"%\"",
        "{\n\"_SYSTEMD_UNIT\" : \"app.service\",\n\"MESSAGE\" : \"%\"\n}",
        "{\n\"MESSAGE\" : \"%\",\n\"_COMM\" : \"app\"\n}",
    ] {
        let report = filled(record);
        assert_eq!(
            (report.window_lines, report.left_out.other_programs),
            (0, 1),
            "{record}"
        );
    }
}

#[test]
fn records_of_the_kernel_are_read_with_their_host() {
    for record in [
        r#"{"timestamp":"2026-10-08T08:40:00.000Z","host":"web1","application_name":"kernel","message":"%"}"#,
        r#"{"@timestamp":"2026-10-08T08:40:01Z","host":"web1","syslog_program":"kernel","message":"%"}"#,
        r#"{"timestamp":"2026-10-08T08:40:00Z","host":"web1","tag":"kernel:","message":" [12345.678901] %"}"#,
        r#"{"timestamp":"2026-10-08T08:40:00Z","host":"web1","tag":"kube.var.log","message":"%"}"#,
        r#"{"EventTime":"2026-10-08 08:40:00","SyslogFacility":"KERN","Hostname":"web1","SourceName":"kernel","Message":"%"}"#,
        r#"{"_time":"2026-10-08T08:40:00.123Z","_stream":"{}","_msg":"%","_HOSTNAME":"web1","_TRANSPORT":"kernel"}"#,
        r#"{"stream":{"host":"web1","unit":""},"values":[["1791448800000000000","%"]]}"#,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"web1"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1791448800000000000","body":{"stringValue":"[12345.678901] %"}}]}]}]}"#,
        r#"{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"MESSAGE","value":{"stringValue":"%"}},{"key":"_TRANSPORT","value":{"stringValue":"kernel"}},{"key":"_HOSTNAME","value":{"stringValue":"web1"}}]}}}]}"#,
    ] {
        let report = filled(record);
        assert_eq!(
            (report.window_lines, report.hosts),
            (1, vec!["web1".to_owned()]),
            "{record}"
        );
        assert!(
            record.contains("logRecords\":[{\"body") || report.first.is_some(),
            "{record}"
        );
    }
}
