// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t S = 1000000000;
static char folder[64];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/petrel-kube-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static const char *in(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, 128, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	char path[128], temporary[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(temporary, sizeof(temporary), "%s/new", folder);
	FILE *f = fopen(temporary, "w");
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(temporary, path), 0); // as the kubelet does it
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"token", "ca.crt", "namespace", "config", "t"};
	for (int k = 0; k < 5; k++)
		unlink(in(names[k]));
	return rmdir(folder);
}

static int read_yaml(
	struct kube_config **ret, const char *yaml, const char *context, struct why *why)
{
	put("config", yaml);
	return kube_config_file(ret, in("config"), context, why);
}

static void in_the_cluster_the_account_folder_says_it(void **state)
{
	struct kube_config *c;
	struct kube_config_tls tls;
	struct why why;
	struct kube_config_account o = {folder, "10.96.0.1", "443"};
	assert_int_equal(kube_config_account(&c, &o, &why), -ENOENT);
	assert_non_null(strstr(why.text, "token"));
	put("token", " first\n");
	put("ca.crt", "CA");
	put("namespace", "petrel");
	assert_int_equal(kube_config_account(&c, &o, &why), 0);
	assert_string_equal(kube_config_server(c), "https://10.96.0.1:443");
	assert_string_equal(kube_config_namespace(c), "petrel");
	assert_string_equal(kube_config_authorization(c, 1, false), "Bearer first");
	kube_config_tls(c, &tls);
	assert_string_equal(tls.ca_file, in("ca.crt"));
	assert_null(tls.cert_file);
	kube_config_free(c);
	o.host = "fd00::1";
	assert_int_equal(kube_config_account(&c, &o, &why), 0);
	assert_string_equal(kube_config_server(c), "https://[fd00::1]:443");
	kube_config_free(c);
	o.host = NULL;
	assert_int_equal(kube_config_account(&c, &o, &why), -EINVAL);
	assert_non_null(strstr(why.text, "KUBERNETES_SERVICE_HOST"));
	o.host = "h";
	put("token", "two words");
	assert_int_equal(kube_config_account(&c, &o, &why), -EINVAL);
	assert_null(strstr(why.text, "two words"));
	put("token", "\n");
	assert_int_equal(kube_config_account(&c, &o, &why), -EINVAL);
}

static void a_token_is_read_again_each_minute_and_after_a_refusal(void **state)
{
	struct kube_config *c;
	struct why why;
	struct kube_config_account o = {folder, "h", "1"};
	put("token", "one");
	put("ca.crt", "CA");
	assert_int_equal(kube_config_account(&c, &o, &why), 0);
	assert_string_equal(kube_config_authorization(c, S, false), "Bearer one");
	put("token", "two");
	assert_string_equal(kube_config_authorization(c, 60 * S, false), "Bearer one");
	assert_string_equal(kube_config_authorization(c, 61 * S, false), "Bearer two");
	put("token", "three");
	assert_string_equal(kube_config_authorization(c, 62 * S, false), "Bearer two");
	assert_string_equal(kube_config_authorization(c, 63 * S, true), "Bearer three");
	unlink(in("token")); // for a moment it may be gone
	assert_string_equal(kube_config_authorization(c, 200 * S, false), "Bearer three");
	kube_config_free(c);
}

static void a_changed_authority_is_seen_within_a_minute(void **state)
{
	struct kube_config *c;
	struct why why;
	struct kube_config_account o = {folder, "h", "1"};
	put("token", "one");
	put("ca.crt", "CA");
	assert_int_equal(kube_config_account(&c, &o, &why), 0);
	assert_false(kube_config_tls_changed(c, S));
	assert_false(kube_config_tls_changed(c, 62 * S));
	put("ca.crt", "CA 2");
	assert_false(kube_config_tls_changed(c, 63 * S));
	assert_true(kube_config_tls_changed(c, 123 * S));
	assert_false(kube_config_tls_changed(c, 184 * S));
	kube_config_free(c);
}

static const char good[] =
	"apiVersion: v1\nkind: Config\ncurrent-context: two\n"
	"contexts:\n- name: one\n  context: {cluster: c1, user: u1}\n"
	"- name: two\n  context: {cluster: c2, user: u2, namespace: apps}\n"
	"clusters:\n- name: c1\n  cluster: {server: 'https://one:6443/', certificate-authority: "
	"ca.pem}\n"
	"- name: c2\n  cluster: {server: 'https://two/k8s', certificate-authority-data: UEVN,"
	" proxy-url: 'http://proxy:3128'}\n"
	"users:\n- name: u1\n  user: {client-certificate: /abs/c.crt, client-key: c.key}\n"
	"- name: u2\n  user: {token: secret}\n";

static void a_kubeconfig_is_read_by_its_context(void **state)
{
	struct kube_config *c;
	struct kube_config_tls tls;
	struct why why;
	assert_int_equal(read_yaml(&c, good, "one", &why), 0);
	kube_config_tls(c, &tls);
	assert_string_equal(kube_config_server(c), "https://one:6443");
	assert_string_equal(kube_config_namespace(c), "default");
	assert_string_equal(tls.ca_file, in("ca.pem"));
	assert_string_equal(tls.cert_file, "/abs/c.crt");
	assert_string_equal(tls.key_file, in("c.key"));
	assert_null(kube_config_authorization(c, S, false));
	kube_config_free(c);
	assert_int_equal(read_yaml(&c, good, NULL, &why), 0);
	kube_config_tls(c, &tls);
	assert_string_equal(kube_config_server(c), "https://two/k8s");
	assert_string_equal(kube_config_namespace(c), "apps");
	assert_string_equal(kube_config_authorization(c, S, false), "Bearer secret");
	assert_string_equal(tls.proxy, "http://proxy:3128");
	char data[8] = {0};
	FILE *f = fopen(tls.ca_file, "r"); // decoded, in no folder
	assert_int_equal(fread(data, 1, 7, f), 3);
	fclose(f);
	assert_string_equal(data, "PEM");
	assert_false(kube_config_tls_changed(c, S));
	assert_false(kube_config_tls_changed(c, 100 * S));
	kube_config_free(c);
	put("t", "from-file\n");
	assert_int_equal(read_yaml(&c,
				 "{current-context: x, contexts: [{name: x, context: {cluster: c, "
				 "user: u}}],"
				 " clusters: [{name: c, cluster: {server: 'https://h'}}],"
				 " users: [{name: u, user: {tokenFile: t}}]}",
				 NULL, &why),
		0);
	assert_string_equal(kube_config_authorization(c, S, false), "Bearer from-file");
	kube_config_free(c);
}

static void refused(const char *cluster, const char *user, int r, const char *text)
{
	char yaml[1024];
	struct kube_config *c = NULL;
	struct why why = {0};
	snprintf(yaml, sizeof(yaml),
		"{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}],"
		" clusters: [{name: c, cluster: {%s}}], users: [{name: u, user: {%s}}]}",
		cluster, user);
	assert_int_equal(read_yaml(&c, yaml, NULL, &why), r);
	assert_non_null(strstr(why.text, text));
	assert_null(strstr(why.text, "s3cret"));
}

static void what_is_not_supported_is_said(void **state)
{
	static const char server[] = "server: 'https://h'";
	refused(server, "exec: {command: aws}", -ENOTSUP, "exec");
	refused(server, "auth-provider: {name: gcp}", -ENOTSUP, "auth-provider");
	refused(server, "username: u, password: s3cret", -ENOTSUP, "username");
	refused(server, "as: other", -ENOTSUP, "as is not");
	refused("server: 'https://h', insecure-skip-tls-verify: true", "", -ENOTSUP, "insecure");
	refused("server: 'https://h', tls-server-name: x", "", -ENOTSUP, "tls-server-name");
	refused("server: ''", "", -EINVAL, "no server");
	refused("server: 'http://h'", "token: s3cret", -EINVAL, "https only");
	refused(server, "token: 's3cret s3cret'", -EINVAL, "not one word");
	refused(server, "client-key-data: '!!!'", -EINVAL, "base64");
	refused(server, "tokenFile: nowhere", -ENOENT, "nowhere");
	struct kube_config *c;
	struct why why;
	assert_int_equal(read_yaml(&c, good, "three", &why), -EINVAL);
	assert_non_null(strstr(why.text, "three"));
	assert_int_equal(read_yaml(&c, "a: [", NULL, &why), -EINVAL);
	assert_int_equal(read_yaml(&c, "", NULL, &why), -EINVAL);
	assert_int_equal(read_yaml(&c, "- just\n- a list\n", NULL, &why), -EINVAL);
	assert_int_equal(kube_config_file(&c, in("missing"), NULL, &why), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_cluster_the_account_folder_says_it),
		cmocka_unit_test(a_token_is_read_again_each_minute_and_after_a_refusal),
		cmocka_unit_test(a_changed_authority_is_seen_within_a_minute),
		cmocka_unit_test(a_kubeconfig_is_read_by_its_context),
		cmocka_unit_test(what_is_not_supported_is_said),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
