#include "rank_group.hpp"

#include <gpuplace/plan/hash.hpp>
#include <gpuplace/plan/json.hpp>

#include <ATen/ops/from_blob.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace gpuplace::torch_detail {

struct rank_group::state {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;

  struct receiving {
    c10::intrusive_ptr<c10d::Work> now;
    bool stopped = false;
  };
  /// A message on its way, with the memory that it is read from.
  struct letter {
    std::unique_ptr<std::uint64_t> size;
    std::vector<std::byte> data;
    std::vector<c10::intrusive_ptr<c10d::Work>> sent{};
  };
  std::mutex guard;
  std::map<std::pair<int, int>, receiving> receives;  ///< by rank and tag
  std::map<std::pair<int, int>, std::deque<letter>> letters;
};

namespace {

using milliseconds = std::chrono::milliseconds;

/// An idle rank waits for as long as nobody has work for it; one that is gone closes its connections.
constexpr std::chrono::hours no_limit{24 * 365};

milliseconds left_until(std::chrono::steady_clock::time_point end) {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now()));
}

std::string own_host() {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  return name;
}

/// This machine's address on the way to `peer`: no packet is sent. A name of its own may stand for the loopback alone.
std::string address_towards(std::string const& peer) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(peer.c_str(), "9", &hints, &found) != 0) return peer;
  std::string address = peer;
  if (int const s = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0); s >= 0) {
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    char text[NI_MAXHOST] = {};
    if (::connect(s, found->ai_addr, found->ai_addrlen) == 0 && ::getsockname(s, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0)
      address = text;
    ::close(s);
  }
  ::freeaddrinfo(found);
  return address;
}

std::string first_line(std::exception const& e) {
  std::string text = e.what();
  return text.substr(0, text.find('\n'));
}

std::string text_of(world const& here) { return here.address + ":" + std::to_string(here.port); }

/// Whether anything listens there.
bool answers(world const& here) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(here.address.c_str(), std::to_string(here.port).c_str(), &hints, &found) != 0) return false;
  bool connected = false;
  for (auto const* at = found; at && !connected; at = at->ai_next)
    if (int const s = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol); s >= 0) {
      connected = ::connect(s, at->ai_addr, at->ai_addrlen) == 0;
      ::close(s);
    }
  ::freeaddrinfo(found);
  return connected;
}

/// Listens on the one address where the ranks meet: the store by itself would listen on all of the machine's. Below 0: it cannot.
int listen_there(world const& here) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  if (::getaddrinfo(here.address.c_str(), std::to_string(here.port).c_str(), &hints, &found) != 0) return -1;
  int const s = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol), yes = 1;
  bool const listens = s >= 0 && ::setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
                       ::bind(s, found->ai_addr, found->ai_addrlen) == 0 && ::listen(s, SOMAXCONN) == 0;
  ::freeaddrinfo(found);
  if (!listens && s >= 0) {
    auto const why = errno;
    ::close(s);
    errno = why;
  }
  return listens ? s : -1;
}

error no_rank_0(world const& here, std::string const& why) {
  return {errc::timed_out, "rank 0 did not come" + why, text_of(here),
          "see that rank 0 runs, and that MASTER_ADDR and MASTER_PORT are those of its machine"};
}

result<c10::intrusive_ptr<c10d::Store>> open_store(world const& here, milliseconds limit) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(here.port);
  options.isServer = here.rank == 0 && !here.meeting_place;
  options.waitWorkers = false;
  options.timeout = limit;
  if (options.isServer) {
    int const listening = listen_there(here);
    if (listening < 0)
      return error{errc::unavailable, std::string("rank 0 cannot listen: ") + std::strerror(errno), text_of(here),
                   "choose another port with MASTER_PORT, and with MASTER_ADDR an address of this machine"};
    options.masterListenFd = listening;
  }
  // The store's own attempts write pages of warnings when they are in vain.
  auto const end = std::chrono::steady_clock::now() + limit;
  while (!options.isServer && !answers(here)) {
    if (std::chrono::steady_clock::now() > end) return no_rank_0(here, "");
    std::this_thread::sleep_for(milliseconds(20));
  }
  try {
    auto plain = c10::make_intrusive<c10d::TCPStore>(here.address, options);
    return c10::intrusive_ptr<c10d::Store>(c10::make_intrusive<c10d::PrefixStore>("gpuplace/" + here.attempt, std::move(plain)));
  } catch (std::exception const& e) {
    if (options.isServer)
      return error{errc::unavailable, "rank 0 cannot listen: " + first_line(e), text_of(here),
                   "choose another port with MASTER_PORT, and with MASTER_ADDR the address of this machine"};
    return no_rank_0(here, ": " + first_line(e));
  }
}

std::string key_of(int rank) { return "rank/" + std::to_string(rank); }

/// What all must have planned alike. Free memory may differ from one look to the next, and with it what is granted to KV pools.
std::uint64_t agreed_hash(plan whole) {
  whole.devices.clear();
  for (auto& m : whole.models)
    for (auto& r : m.replicas)
      for (auto& s : r.stages) s.kv_pool_bytes = {};
  return plan_hash(whole);
}

struct present {
  std::vector<std::string> hosts, hashes;
};

/// Waits for all; who is missing when the time is over is named.
result<present> wait_for_all(c10d::Store& store, world const& here, std::chrono::steady_clock::time_point end) {
  present all;
  for (int r = 0; r < here.size; ++r) {
    while (!store.check({key_of(r)}) && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(milliseconds(20));  // the store's own wait writes warnings when it is in vain
    if (!store.check({key_of(r)})) {
      std::string missing;
      for (int other = 0; other < here.size; ++other)
        if (!store.check({key_of(other)})) missing += (missing.empty() ? "" : ", ") + std::to_string(other);
      return error{errc::timed_out, "of " + std::to_string(here.size) + " ranks did not come: " + missing, text_of(here),
                   "see why they did not start; all need the same MASTER_ADDR and MASTER_PORT"};
    }
    auto const said = store.get(key_of(r));
    auto const text = std::string(said.begin(), said.end());
    auto const cut = text.find('\n');
    all.hashes.push_back(text.substr(0, cut));
    all.hosts.push_back(text.substr(cut + 1));
  }
  return all;
}

/// Rank 0, which keeps the store, goes on when all have read it: whoever refuses to start is to say why.
void leave_together(c10d::Store& store, world const& here, std::chrono::steady_clock::time_point end) {
  auto const key = [](int rank) { return "read/" + std::to_string(rank); };
  store.set(key(here.rank), std::string("1"));
  if (here.rank > 0) return;
  for (int r = 1; r < here.size; ++r)
    while (!store.check({key(r)}) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
}

result<void> check_plans(present const& all, int here) {
  std::string others;
  for (std::size_t r = 0; r < all.hashes.size(); ++r)
    if (all.hashes[r] != all.hashes[static_cast<std::size_t>(here)]) others += (others.empty() ? "" : ", ") + std::to_string(r);
  if (others.empty()) return {};
  return error{errc::mismatch, "another plan than rank " + std::to_string(here) + "'s is that of rank " + others, "plan",
               "give all the same options, topology and checkpoint, or one plan with --plan"};
}

}  // namespace

result<rank_group::met> rank_group::meet(world const& here, plan const& whole, seconds limit) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(limit);
  GPUPLACE_TRY(auto store, open_store(here, left_until(end)));
  try {
    if (here.rank == 0) store->set("plan", to_json_text(whole));
    store->set(key_of(here.rank), std::to_string(agreed_hash(whole)) + "\n" + own_host());
    GPUPLACE_TRY(auto all, wait_for_all(*store, here, end));
    auto const text = store->get("plan");
    leave_together(*store, here, end);
    GPUPLACE_CHECK(check_plans(all, here.rank));
    GPUPLACE_TRY(auto carried_out, parse_plan(std::string(text.begin(), text.end()), "rank 0's plan"));
    GPUPLACE_TRY(auto owners, device_owners::deal(carried_out, all.hosts));
    auto options = c10d::ProcessGroupGloo::Options::create(no_limit);
    auto const* const interface = std::getenv("GLOO_SOCKET_IFNAME");
    options->devices.push_back(interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                         : c10d::ProcessGroupGloo::createDeviceForHostname(address_towards(here.address)));
    auto made = std::make_unique<state>();
    made->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, here.rank, here.size, std::move(options));
    made->store = std::move(store);
    std::shared_ptr<rank_group> group(new rank_group(here, std::move(owners), std::move(all.hosts), std::move(made)));
    return met{std::move(group), std::move(carried_out)};
  } catch (std::exception const& e) {
    return error{errc::unavailable, "the ranks cannot reach each other: " + first_line(e), text_of(here),
                 "name the network interface with GLOO_SOCKET_IFNAME"};
  }
}

rank_group::rank_group(world here, device_owners owners, std::vector<std::string> hosts, std::unique_ptr<state> made)
    : here_(std::move(here)), owners_(std::move(owners)), hosts_(std::move(hosts)), state_(std::move(made)) {}
rank_group::~rank_group() = default;

std::string rank_group::name_of(int rank) const {
  return "rank " + std::to_string(rank) + " on " + hosts_[static_cast<std::size_t>(rank)];
}

namespace {

/// A tensor over memory of the caller's, who waits until it is done with.
std::vector<at::Tensor> over(void const* data, std::size_t size) {
  return {at::from_blob(const_cast<void*>(data), {static_cast<std::int64_t>(size)}, at::TensorOptions().dtype(at::kByte))};
}

}  // namespace

void rank_group::send(int rank, int tag, std::span<std::byte const> data) {
  try {
    auto message = over(data.data(), data.size());
    state_->gloo->send(message, rank, tag)->wait();
  } catch (std::exception const& e) {
    throw std::runtime_error(name_of(rank) + " is gone: " + first_line(e));
  }
}

void rank_group::receive(int rank, int tag, std::span<std::byte> room) {
  try {
    auto message = over(room.data(), room.size());
    c10::intrusive_ptr<c10d::Work> work;
    {
      std::scoped_lock const hold(state_->guard);
      auto& at = state_->receives[{rank, tag}];
      if (at.stopped) throw std::runtime_error("nothing more is awaited from it");
      work = at.now = state_->gloo->recv(message, rank, tag);
    }
    bool const came = work->wait();
    std::scoped_lock const hold(state_->guard);
    state_->receives[{rank, tag}].now.reset();
    if (!came) throw std::runtime_error("nothing more is awaited from it");
  } catch (std::exception const& e) {
    throw std::runtime_error(name_of(rank) + " is gone: " + first_line(e));
  }
}

void rank_group::stop_receiving(int rank, int tag) {
  std::scoped_lock const hold(state_->guard);
  auto& at = state_->receives[{rank, tag}];
  at.stopped = true;
  if (at.now) at.now->abort();
}

template <class Letter>
void rank_group::wait_for(int rank, Letter& posted) {
  try {
    for (auto const& part : posted.sent) part->wait();
  } catch (std::exception const& e) {
    throw std::runtime_error(name_of(rank) + " is gone: " + first_line(e));
  }
}

/// A send is done when the other side has taken it. Who waits for that with orders, while the other waits with an answer, waits forever.
void rank_group::post_message(int rank, int tag, std::vector<std::byte> data) {
  constexpr std::size_t most = 64;
  std::optional<state::letter> oldest;
  try {
    std::scoped_lock const hold(state_->guard);
    auto& box = state_->letters[{rank, tag}];
    auto& made = box.emplace_back(std::make_unique<std::uint64_t>(data.size()), std::move(data));
    for (auto part : {over(made.size.get(), sizeof(*made.size)), over(made.data.data(), made.data.size())})
      made.sent.push_back(state_->gloo->send(part, rank, tag));
    if (box.size() > most) {
      oldest = std::move(box.front());
      box.pop_front();
    }
  } catch (std::exception const& e) {
    throw std::runtime_error(name_of(rank) + " is gone: " + first_line(e));
  }
  if (oldest) wait_for(rank, *oldest);
}

void rank_group::flush(int rank, int tag) {
  std::deque<state::letter> posted;
  {
    std::scoped_lock const hold(state_->guard);
    posted = std::exchange(state_->letters[{rank, tag}], {});
  }
  for (auto& one : posted) wait_for(rank, one);
}

std::vector<std::byte> rank_group::receive_message(int rank, int tag) {
  std::uint64_t size = 0;
  receive(rank, tag, std::as_writable_bytes(std::span(&size, 1)));
  constexpr std::uint64_t most = std::uint64_t{1} << 32;
  if (size > most) throw std::runtime_error(name_of(rank) + " sent a message of " + std::to_string(size) + " bytes");
  std::vector<std::byte> data(size);
  receive(rank, tag, data);
  return data;
}

void rank_group::publish(std::string const& key, std::string const& value) { state_->store->set(key, value); }

result<std::string> rank_group::look_up(std::string const& key, seconds limit) {
  try {
    state_->store->wait({key}, std::chrono::duration_cast<milliseconds>(limit));
    auto const value = state_->store->get(key);
    return std::string(value.begin(), value.end());
  } catch (std::exception const& e) {
    return error{errc::timed_out, "nobody has said '" + key + "': " + first_line(e), text_of(here_), {}};
  }
}

}  // namespace gpuplace::torch_detail
