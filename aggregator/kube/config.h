// SPDX-License-Identifier: Apache-2.0
// Where the API server is and who we are to it: in the cluster, or by a kubeconfig.
//
// In the cluster: the service account's folder (token, ca.crt, namespace) and the two variables
// that the kubelet sets, given by the caller. The kubelet rewrites token and ca.crt: the token is
// read again at most once a minute and at once after a 401, the CA is taken anew when its file has
// changed. kubeconfig (YAML or JSON): server, CA and client certificate as file or as data, token,
// tokenFile, proxy-url. Data never touches a disk: it lives in memory files whose path is what
// config_tls() gives. Refused with a clear text: exec and auth-provider plug-ins, passwords,
// impersonation, insecure-skip-tls-verify, tls-server-name.
// Limits: kubeconfig 1 MiB, token 64 KiB. Blocking, but only small local files. Thread: the loop.
// No text of an error ever holds a token or a key.
#pragma once

#include "proto/base/why.h"

#include <stdbool.h>
#include <stdint.h>

struct kube_config;

struct kube_config_account {
	const char *folder;      // NULL: /var/run/secrets/kubernetes.io/serviceaccount
	const char *host, *port; // KUBERNETES_SERVICE_HOST and _PORT
};
// Both: -ENOENT or what open and read gave, -EINVAL (what it says), -ENOTSUP (a refused way of
// proving oneself), -ENOMEM.
int kube_config_account(
	struct kube_config **ret, const struct kube_config_account *o, struct why *why);
// context NULL: the file's current one.
int kube_config_file(
	struct kube_config **ret, const char *path, const char *context, struct why *why);
void kube_config_free(struct kube_config *c); // NULL is fine

const char *kube_config_server(
	const struct kube_config *c); // "https://host:port/prefix", no final /
const char *kube_config_namespace(const struct kube_config *c); // "default" if none is named

// "Bearer …", NULL if there is no token. refused: a 401 came for what the last call gave.
const char *kube_config_authorization(struct kube_config *c, uint64_t now_ns, bool refused);

struct kube_config_tls { // paths; NULL: none
	const char *ca_file, *cert_file, *key_file, *proxy;
};
void kube_config_tls(const struct kube_config *c, struct kube_config_tls *ret);
// Whether a file of config_tls() has changed since the last call that said so; looks at most once
// a minute.
bool kube_config_tls_changed(struct kube_config *c, uint64_t now_ns);
