// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "aggregator/cli/doctor.h"

enum { SOON_DAYS = 14 };

static X509 *read_cert(struct findings *f, const char *path)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		finding_add(f, FINDING_FAIL, "certificate", "%.120s: %s", path, strerror(errno));
		return NULL;
	}
	X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	ERR_clear_error();
	if (!cert)
		finding_add(
			f, FINDING_FAIL, "certificate", "%.120s: not a certificate in PEM", path);
	return cert;
}

// Days from now to t, rounded down.
static int days_until(const ASN1_TIME *t, int64_t now_s)
{
	int days = 0, seconds = 0;
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
	if (now)
		ASN1_TIME_diff(&days, &seconds, now, t);
	ASN1_TIME_free(now);
	return seconds < 0 ? days - 1 : days;
}

void doctor_cert(struct findings *f, const char *path, int64_t now_s)
{
	X509 *cert = read_cert(f, path);
	if (!cert)
		return;
	int left = days_until(X509_get0_notAfter(cert), now_s);
	int until_begin = days_until(X509_get0_notBefore(cert), now_s);
	if (left < 0)
		finding_advice(finding_add(f, FINDING_FAIL, "certificate",
				       "%.120s: ended %d days ago; its connections are refused",
				       path, -left),
			"issue a new one; running programs take it over without a restart");
	else if (until_begin > 0)
		finding_advice(finding_add(f, FINDING_FAIL, "certificate",
				       "%.120s: begins only in %d days", path, until_begin),
			"is this machine's clock right?");
	else if (left < SOON_DAYS)
		finding_advice(finding_add(f, FINDING_WARN, "certificate",
				       "%.120s: ends in %d days", path, left),
			"issue a new one; running programs take it over without a restart");
	else
		finding_add(f, FINDING_OK, "certificate", "%.120s: good for %d days", path, left);
	X509_free(cert);
}
