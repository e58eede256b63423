// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/doctor.h"

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int make_root(void **state)
{
	snprintf(root, sizeof(root), "/tmp/petrel-doctor-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static int remove_root(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
	char full[256];
	for (const char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		snprintf(full, sizeof(full), "%s%.*s", root, (int)(slash - path), path);
		mkdir(full, 0755);
	}
	snprintf(full, sizeof(full), "%s%s", root, path);
	FILE *f = fopen(full, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const struct finding *find(const struct findings *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->items[i].name, name) == 0)
			return &f->items[i];
	return NULL;
}

static enum finding_state state_of(const struct findings *f, const char *name)
{
	const struct finding *one = find(f, name);
	if (!one)
		fail_msg("no finding %s", name);
	return one->state;
}

static void a_bare_machine_works_with_less_and_is_told_how_to_mend_it(void **state)
{
	struct findings *f = calloc(1, sizeof(*f));
	doctor_machine(f, root);
	assert_int_equal(state_of(f, "btf"), FINDING_WARN);
	assert_true(find(f, "btf")->advice[0]);
	assert_int_equal(state_of(f, "psi"), FINDING_WARN);
	assert_int_equal(state_of(f, "cgroup"), FINDING_FAIL);
	assert_int_equal(state_of(f, "lockdown"), FINDING_OK);
	assert_int_equal(state_of(f, "capabilities"), FINDING_INFO);
	assert_null(find(f, "bpf-jit"));
	free(f);
}

static void a_machine_with_everything_is_fine(void **state)
{
	struct findings *f = calloc(1, sizeof(*f));
	put("/proc/sys/kernel/osrelease", "6.1.0\n");
	put("/sys/kernel/btf/vmlinux", "x");
	put("/proc/pressure/cpu", "some avg10=0.00\n");
	put("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	put("/proc/self/status", "Name:\tx\nCapPrm:\t0\nCapEff:\t000000c000000000\n");
	put("/proc/sys/net/core/bpf_jit_enable", "1\n");
	doctor_machine(f, root);
	for (size_t i = 0; i < f->n; i++)
		assert_int_equal(f->items[i].state, FINDING_OK);
	assert_string_equal(find(f, "kernel")->text, "Linux 6.1.0");
	assert_string_equal(find(f, "lockdown")->text, "integrity");
	free(f);
}

static void lockdown_and_interpreted_programs_are_noticed(void **state)
{
	struct findings *f = calloc(1, sizeof(*f));
	put("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	put("/proc/sys/net/core/bpf_jit_enable", "0\n");
	put("/sys/fs/cgroup/cpu", "");
	put("/proc/self/status", "CapEff: nonsense\n");
	doctor_machine(f, root);
	assert_int_equal(state_of(f, "lockdown"), FINDING_WARN);
	assert_int_equal(state_of(f, "bpf-jit"), FINDING_WARN);
	assert_int_equal(state_of(f, "cgroup"), FINDING_WARN);
	assert_int_equal(state_of(f, "capabilities"), FINDING_INFO);
	free(f);
}

static const int64_t begin_s = 1700000000, day_s = 86400;

static void write_cert(char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/cert.pem", root);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	ASN1_TIME_set(X509_getm_notBefore(cert), begin_s);
	ASN1_TIME_set(X509_getm_notAfter(cert), begin_s + 30 * day_s);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	FILE *f = fopen(ret_path, "we");
	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void expect_cert(const char *path, int64_t now_s, enum finding_state state)
{
	struct findings *f = calloc(1, sizeof(*f));
	doctor_cert(f, path, now_s);
	assert_int_equal(f->n, 1);
	if (f->items[0].state != state)
		fail_msg("%lld: %s", (long long)(now_s - begin_s), f->items[0].text);
	free(f);
}

static void a_certificate_is_judged_by_its_dates(void **state)
{
	char path[128];
	write_cert(path, sizeof(path));
	expect_cert(path, begin_s - 3 * day_s, FINDING_FAIL);
	expect_cert(path, begin_s + 60, FINDING_OK);
	expect_cert(path, begin_s + 17 * day_s, FINDING_WARN);
	expect_cert(path, begin_s + 31 * day_s, FINDING_FAIL);
	put("/broken.pem", "-----BEGIN CERTIFICATE-----\nnope\n");
	snprintf(path, sizeof(path), "%s/broken.pem", root);
	expect_cert(path, begin_s, FINDING_FAIL);
	snprintf(path, sizeof(path), "%s/absent.pem", root);
	expect_cert(path, begin_s, FINDING_FAIL);
}

static void findings_past_the_bound_are_dropped(void **state)
{
	struct findings *f = calloc(1, sizeof(*f));
	for (int i = 0; i < FINDINGS_MAX + 5; i++)
		finding_advice(finding_add(f, FINDING_INFO, "x", "%d", i), "y");
	assert_int_equal(f->n, FINDINGS_MAX);
	assert_string_equal(f->items[FINDINGS_MAX - 1].text, "95");
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
		TEST(a_bare_machine_works_with_less_and_is_told_how_to_mend_it),
		TEST(a_machine_with_everything_is_fine),
		TEST(lockdown_and_interpreted_programs_are_noticed),
		TEST(a_certificate_is_judged_by_its_dates),
		TEST(findings_past_the_bound_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
