// SPDX-License-Identifier: Apache-2.0
// The drivers of observe mode: a struct kube and a struct cloud that answer "would do" to whatever
// changes something, and pass on what only asks.
//
// An answer of 1 instead of 0 says that nothing was done. Answers come out of dry_turn(), never out
// of the call. Ownership: borrows the real ones (their watch and their questions go through);
// dry_free() answers what is open with -ECANCELED. Thread: the loop.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/kube/kube.h"

struct dry;
int dry_new(struct dry **ret, const struct kube *kube, const struct cloud *cloud);
void dry_free(struct dry *d);
struct kube dry_kube(struct dry *d);
struct cloud dry_cloud(struct dry *d); // ops NULL if the real one has none
void dry_turn(struct dry *d);          // once a turn of the loop
