//! One hook a file: an entry of two lines and a short body.

#![forbid(unsafe_code)]

mod inet_sock_set_state;
mod mark_victim;
mod tcp_probe;
mod tcp_retransmit_skb;
