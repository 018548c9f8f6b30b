/* Q_CHECK stops the process when the program itself is wrong.
 *
 * It is for programmer errors only (a broken invariant, a caller that ignored a contract), never
 * for operating errors such as a full disk or a bad request; those are returned as Q_E codes.
 * It stays on in release builds: a node that has lost its invariants is safer dead than serving.
 */
#ifndef Q_BASE_CHECK_H
#define Q_BASE_CHECK_H

/* Lives in base/os: prints the failed expression on stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *expr);

#define Q_CHECK(expr) ((expr) ? (void)0 : check_failed(__FILE__, __LINE__, #expr))

#endif
