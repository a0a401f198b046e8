/* Holds a pod's namespaces open: collects orphans, leaves when told to. In C because one runs in every pod. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) {
	(void)number;
	_exit(0);
}

static void collect(int number) {
	(void)number;
	while (waitpid(-1, 0, WNOHANG) > 0) {
	}
}

int main(void) {
	struct sigaction child = {.sa_handler = collect, .sa_flags = SA_NOCLDSTOP};
	struct sigaction end = {.sa_handler = leave};
	if (sigaction(SIGCHLD, &child, 0) || sigaction(SIGTERM, &end, 0) || sigaction(SIGINT, &end, 0))
		return 1;
	for (;;)
		pause();
}
