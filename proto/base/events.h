// SPDX-License-Identifier: Apache-2.0
// Every event id that a log line may carry, what it means, and what an operator does about it.
// Listed once, in the order of the line; ids never change their meaning.
#pragma once

// base
#define EV_START          "START"          // a program started; nothing to do
#define EV_READY          "READY"          // it serves; nothing to do
#define EV_STOP           "STOP"           // it stops in order; nothing to do
#define EV_CONFIG_INVALID "CONFIG_INVALID" // configuration refused: mend the named file and line
#define EV_START_FAILED                                                                            \
	"START_FAILED" // the program could not start: the message names the reason and the remedy
// agent
#define EV_HOOK_REFUSED                                                                            \
	"HOOK_REFUSED" // one BPF program did not load; `petrel doctor` explains, the rest goes on
#define EV_AGENT_DEGRADED                                                                          \
	"AGENT_DEGRADED" // a source (PSI, cgroup v2, BTF) is missing; the rest goes on
#define EV_AGENT_OVER_BUDGET                                                                       \
	"AGENT_OVER_BUDGET" // the agent used more CPU than its budget for a minute and lowered its
			    // detail
#define EV_LANE_DOWN "LANE_DOWN" // no receipt from an aggregator; samples are spooled
#define EV_LANE_UP   "LANE_UP"   // receipts again
// aggregator
#define EV_NOTICE  "NOTICE"  // an instance is going to be interrupted
#define EV_CLOUD   "CLOUD"   // the cloud does not answer, or does again; drains go on without it
#define EV_WEBHOOK "WEBHOOK" // a webhook was dropped or cannot be sent; the message says why
#define EV_DRAIN   "DRAIN"   // a drain begins, goes on or ends; `petrel drains` shows all of it
#define EV_CERTIFICATES                                                                            \
	"CERTIFICATES" // certificates could not be read again: the old ones stay in force; mend the
		       // named file
#define EV_PEER_REFUSED                                                                            \
	"PEER_REFUSED" // a peer with a bad certificate or a foreign name; look at its address
#define EV_FRAME_REFUSED                                                                           \
	"FRAME_REFUSED" // a frame that breaks the wire contract; counted, its sender loses the
			// connection
#define EV_INSECURE "INSECURE" // plaintext lanes are on by configuration: not for production
#define EV_STORE_FULL                                                                              \
	"STORE_FULL" // the disk is full: history is not stored, everything else goes on; free some
		     // space
#define EV_STORE_RESUMED "STORE_RESUMED" // storing again
#define EV_STORE_FAILED  "STORE_FAILED"  // the store reports an error; the message names it
#define EV_CLOCK         "CLOCK" // this machine's clock is wrong (or right again): set it by NTP
#define EV_PLAN          "PLAN"  // a plan was decided; `petrel explain ID` tells why
#define EV_GUARD         "GUARD" // a guard changed its answer
#define EV_AUDIT_FAILED                                                                            \
	"AUDIT_FAILED" // the audit file cannot be written: no voluntary act until it can
