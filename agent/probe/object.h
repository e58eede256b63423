// SPDX-License-Identifier: Apache-2.0
// One BPF object (one file of bpf/): loads those of its programs that the kernel takes, keeps only
// their descriptors.
//
// Why not libbpf's skeletons: they load all or nothing. object_load() tries all, and only if that
// fails each program alone, to learn which ones to leave out; the rest is then loaded together, so
// that they share their maps. libbpf's memory (ELF, BTF, verifier buffers) is given back before it
// returns; attaching is one system call and allocates nothing, so it can be done every few seconds.
// Ownership: the caller's storage; object_done() closes everything. Private to agent/probe.
#pragma once

#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stddef.h>

struct bpf_object;

enum { OBJECT_PROGRAMS = 8, OBJECT_MAPS = 4, OBJECT_NAME_BYTES = 32 };

struct object_program {
	char name[OBJECT_NAME_BYTES];
	int fd;    // -1: not loaded
	int link;  // -1: not attached
	int error; // why not: negative errno, or 0
};

struct object_map {
	char name[OBJECT_NAME_BYTES];
	int fd;
};

struct object {
	const char *name;
	struct object_program programs[OBJECT_PROGRAMS];
	struct object_map maps[OBJECT_MAPS];
	size_t n_programs, n_maps;
	int error; // why nothing is loaded, or 0
};

struct object_source {
	const char *name; // of the group, in the capability report
	const void *elf;
	size_t elf_bytes;
	const char *btf_path;       // NULL: the kernel's
	const char *const *refused; // programs to leave out, NULL-ended; NULL: none
	// Sets map sizes and .rodata before loading; negative errno stops it. May be NULL.
	int (*configure)(struct bpf_object *bpf, const void *arg);
	const void *configure_arg;
};

// Returns how many programs were loaded (0 is not an error), always leaves *o in a state that
// object_status() and object_done() understand.
int object_load(struct object *o, const struct object_source *source);
void object_done(struct object *o);
int object_attach(struct object *o); // what is loaded and not attached; returns how many are now
void object_detach(struct object *o);
int object_map(const struct object *o, const char *name); // descriptor, borrowed; -ENOENT
void object_status(const struct object *o, struct hook_status *ret);
