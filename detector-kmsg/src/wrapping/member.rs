//! Members of objects and columns of tables that are read, by what they are called.

/// Members that are read, and what they can be called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Text,
    Time,
    /// The last one of an event that came several times.
    LastTime,
    BootTime,
    Program,
    /// A collector's mark of its own, or the program as syslog writes it.
    Tag,
    /// Of a process or of a unit of systemd: the kernel's lines have none.
    Process,
    Facility,
    /// Facility and level as one number; a word is the level alone.
    Priority,
    Transport,
    Host,
    Boot,
    Stream,
    /// What kind of object an event of Kubernetes is about, and why it is told.
    Object,
    Reason,
    /// What a cloud's console shows of a machine, and what shows that it is that.
    Console,
    ConsoleOf,
}

impl Member {
    /// Whether it says when and by whom a text was written, which is asked no more once that was another program.
    pub(super) const fn is_beside(self) -> bool {
        matches!(
            self,
            Self::Time
                | Self::BootTime
                | Self::Program
                | Self::Tag
                | Self::Process
                | Self::Facility
                | Self::Priority
                | Self::Transport
                | Self::Host
        )
    }
}

pub(super) fn member(name: &str) -> Option<Member> {
    Some(match name {
        "MESSAGE" | "Message" | "message" | "_msg" | "msg" | "log" | "line" | "_raw"
        | "@message" | "textPayload" | "original" | "short_message" | "full_message"
        | "content" | "body" | "raw" | "text" | "SyslogMessage" | "event.original"
        | "log.original" | "full_log" => Member::Text,
        "__REALTIME_TIMESTAMP"
        | "@timestamp"
        | "timestamp"
        | "time"
        | "ts"
        | "_time"
        | "date"
        | "datetime"
        | "TimeGenerated"
        | "timereported"
        | "eventTime"
        | "EventTime"
        | "timeUnixNano"
        | "DATE"
        | "ISODATE"
        | "received_at"
        | "_messagetime"
        | "firstTimestamp" => Member::Time,
        "lastTimestamp" => Member::LastTime,
        "__MONOTONIC_TIMESTAMP" => Member::BootTime,
        "SYSLOG_IDENTIFIER"
        | "program"
        | "programname"
        | "ident"
        | "appname"
        | "application_name"
        | "syslog_program"
        | "SourceName"
        | "app_name"
        | "syslog_identifier"
        | "syslogtag"
        | "ProcessName"
        | "PROGRAM"
        | "process.name"
        | "syslog.identifier"
        | "syslog.appname"
        | "log.syslog.appname"
        | "predecoder.program_name"
        | "stream.app" => Member::Program,
        "tag" => Member::Tag,
        "_COMM"
        | "_SYSTEMD_UNIT"
        | "systemd.unit"
        | "stream.unit"
        | "stream._SYSTEMD_UNIT"
        | "process.executable.name"
        | "telemetry.sdk.name" => Member::Process,
        "facility"
        | "SyslogFacility"
        | "SYSLOG_FACILITY"
        | "Facility"
        | "FACILITY"
        | "syslogfacility-text"
        | "fac"
        | "syslog.facility"
        | "syslog.facility.code"
        | "syslog.facility_label"
        | "log.syslog.facility"
        | "log.syslog.facility.code"
        | "log.syslog.facility.name" => Member::Facility,
        "pri" => Member::Priority,
        "_TRANSPORT" | "systemd.transport" | "journald.transport" => Member::Transport,
        "_HOSTNAME"
        | "HOST"
        | "host"
        | "hostname"
        | "Hostname"
        | "HOSTNAME"
        | "host.name"
        | "host.hostname"
        | "Computer"
        | "fromhost"
        | "stream.host"
        | "involvedObject.name" => Member::Host,
        "_BOOT_ID" => Member::Boot,
        "stream" => Member::Stream,
        "involvedObject.kind" => Member::Object,
        "reason" => Member::Reason,
        "Output" | "contents" => Member::Console,
        "InstanceId" | "kind" => Member::ConsoleOf,
        _ => return None,
    })
}

/// Whether an object by this name says who wrote the line that stands beside it.
pub(super) fn names_writer(path: &str) -> bool {
    const NAMES: [&str; 12] = [
        "host",
        // Loki's labels.
        "stream",
        "process",
        "syslog",
        "syslog.facility",
        "log",
        "log.syslog",
        "log.syslog.facility",
        "systemd",
        "journald",
        "predecoder",
        "involvedObject",
    ];
    NAMES.contains(&path)
}
