// impasto::Error as Python's exceptions: those that diffusers raises for the same mistake.
#include "bind.h"
#include "impasto/error.h"

namespace impasto::python {
namespace nb = nanobind;

namespace {

PyObject* cancelled = nullptr;  // impasto._core.Cancelled, kept by the module for as long as the process lives

PyObject* type_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument: return PyExc_ValueError;
    case ErrorKind::not_found: return PyExc_FileNotFoundError;
    case ErrorKind::bad_file:
    case ErrorKind::io: return PyExc_OSError;
    case ErrorKind::access_denied: return PyExc_PermissionError;
    case ErrorKind::unsupported: return PyExc_NotImplementedError;
    case ErrorKind::out_of_memory: return PyExc_MemoryError;
    case ErrorKind::non_finite: return PyExc_FloatingPointError;
    case ErrorKind::cancelled: return cancelled;
    case ErrorKind::internal: return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

void translate(const std::exception_ptr& p, void*) {
  try {
    std::rethrow_exception(p);
  } catch (const Error& e) {
    PyErr_SetString(type_for(e.kind()), e.what());
  }
}

}  // namespace

void bind_errors(nb::module_& m) {
  cancelled = PyErr_NewExceptionWithDoc("impasto.Cancelled", "A call was stopped before it was done. The object that was called is as it was.",
                                        PyExc_RuntimeError, nullptr);
  if (cancelled == nullptr) throw nb::python_error();
  m.attr("Cancelled") = nb::handle(cancelled);
  nb::register_exception_translator(translate);
}

}  // namespace impasto::python
