// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/nng_fix.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

// The functions wrapped below are internal to nng: another version may call them otherwise.
#if NNG_MAJOR_VERSION != 1 || NNG_MINOR_VERSION != 5 || NNG_PATCH_VERSION != 2
#error "nng_fix.c was tested with nng 1.5.2 only: run tests/unit/proto/loop with this version first"
#endif

enum { BACKLOG = 4096 };

static atomic_uint cpus;
static atomic_bool wedge;
static atomic_uint_fast64_t oversized;

// ECLOSED is what a listener takes for its own end.
int __real_nni_plat_errno(int error);
int __wrap_nni_plat_errno(int error);
int __wrap_nni_plat_errno(int error)
{
	return error == EPIPE && !atomic_load(&wedge) ? NNG_ECONNSHUT
						      : __real_nni_plat_errno(error);
}

uint32_t __real_nni_random(void);
uint32_t __wrap_nni_random(void);
uint32_t __wrap_nni_random(void)
{
	return __real_nni_random() & 0x7fffffffu;
}

void __real_nni_aio_finish_error(void *aio, int error);
void __wrap_nni_aio_finish_error(void *aio, int error);
void __wrap_nni_aio_finish_error(void *aio, int error)
{
	if (error == NNG_EMSGSIZE)
		atomic_fetch_add(&oversized, 1);
	__real_nni_aio_finish_error(aio, error);
}

// A transport reads a message in two steps, and the second is dropped without a word when the pipe
// is closed between them: nobody is told, the pipe's aio never ends, and nng's only reaper thread
// waits for it for ever, with every later pipe behind it. Here the second step fails aloud.
static _Thread_local struct {
	void *aio;
	bool dropped;
} step;

int __real_nni_aio_begin(void *aio);
int __wrap_nni_aio_begin(void *aio);
int __wrap_nni_aio_begin(void *aio)
{
	int e = __real_nni_aio_begin(aio);
	if (e != 0 && step.aio == aio)
		step.dropped = true;
	return e;
}

static void take_step(void (*real)(void *stream, void *aio), void *stream, void *aio)
{
	__typeof__(step) outer = step; // TLS streams call the ones below them
	step.aio = aio;
	step.dropped = false;
	real(stream, aio);
	bool dropped = step.dropped;
	step = outer;
	if (dropped) // not NNG_ECLOSED: see above
		__real_nni_aio_finish_error(aio, NNG_ECONNSHUT);
}

void __real_nng_stream_recv(void *stream, void *aio);
void __wrap_nng_stream_recv(void *stream, void *aio);
void __wrap_nng_stream_recv(void *stream, void *aio)
{
	take_step(__real_nng_stream_recv, stream, aio);
}

void __real_nng_stream_send(void *stream, void *aio);
void __wrap_nng_stream_send(void *stream, void *aio);
void __wrap_nng_stream_send(void *stream, void *aio)
{
	take_step(__real_nng_stream_send, stream, aio);
}

static long believed_cpus(void)
{
	unsigned n = atomic_load(&cpus);
	return n > 0 ? n : NNG_FIX_CPUS;
}

long __real_sysconf(int name);
long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN ? believed_cpus() : __real_sysconf(name);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
	return __real_listen(fd, backlog < BACKLOG ? BACKLOG : backlog);
}

void nng_fix_cpus(unsigned n)
{
	atomic_store(&cpus, n);
}

void nng_fix_let_wedge(bool let)
{
	atomic_store(&wedge, let);
}

uint64_t nng_fix_oversized(void)
{
	return atomic_load(&oversized);
}

static void init(void)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)nng_tls_engine_name(); // any call that starts nng
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void nng_fix_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init);
}

int nng_fix_errno(int error)
{
	static const struct {
		int nng, error;
	} table[] = {
		{NNG_ENOMEM, -ENOMEM},
		{NNG_EINVAL, -EINVAL},
		{NNG_EADDRINVAL, -EADDRNOTAVAIL},
		{NNG_EADDRINUSE, -EADDRINUSE},
		{NNG_ENOTSUP, -EOPNOTSUPP},
		{NNG_EPERM, -EACCES},
		{NNG_ENOFILES, -EMFILE},
		{NNG_ECRYPTO, -EPROTO},
		{NNG_EPEERAUTH, -EACCES},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].nng == error)
			return table[i].error;
	return error == 0 ? 0 : -EIO;
}
