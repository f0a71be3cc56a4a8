#pragma once
/// @file
/// The concept of a transport: it moves activations from one stage of a replica to the next.

#include <gpuplace/core/named.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace gpuplace {

/// The order in which a stage's work is done: a stream of its device, or nothing where calls block.
template <class T>
concept has_queue = requires { typename T::queue; } && std::copyable<typename T::queue>;

/// One way from a sender to a receiver; each calls its own half, in step with the other. Calls may only put work into the queue: what
/// was put there before is done before.
///   `t.send(data, q)`    gives `data` on its way. It must not be written until what `reuse` puts there is done.
///   `t.reuse(q)`         what is put into the sender's queue afterwards may write the memory that was sent last; called before every
///                        send, the first one too.
///   `t.receive(room, q)` fills `room` with what the matching send gave; both have the same size.
/// A failure is thrown as an exception derived from std::exception, and ends the step.
template <class T>
concept has_send = has_queue<T> && requires(T& t, std::span<std::byte const> data, std::span<std::byte> room, typename T::queue q) {
  { t.send(data, q) } -> std::same_as<void>;
  { t.reuse(q) } -> std::same_as<void>;
  { t.receive(room, q) } -> std::same_as<void>;
};

/// Moves activations between the devices of two stages that follow each other.
template <class T>
concept transport = has_name<T> && has_send<T>;

/// True, or a compile error that says what to write.
template <class T>
consteval bool check_transport() {
  static_assert(has_name<T>, "a transport needs a name: write  static constexpr std::string_view name = \"...\";");
  static_assert(has_queue<T>, "a transport needs a type `queue`: cudaStream_t, or an empty struct where calls block");
  static_assert(has_send<T>,
                "a transport needs:  void send(std::span<std::byte const>, queue);  void reuse(queue);  "
                "void receive(std::span<std::byte>, queue);");
  return transport<T>;
}

}  // namespace gpuplace
