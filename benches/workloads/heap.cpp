// A large heap in four arenas, and abort(). Its size in GiB is the first argument.
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct Order {
    long id;
    double amount;
    std::string customer;
    Order *previous;
};

struct Store {
    std::unordered_map<std::string, std::string> customers;
    std::map<long, Order> orders;
    std::vector<std::vector<char>> pages;
};

static std::vector<Store> stores(4);

static void fill(Store &store, long bytes, unsigned seed) {
    Order *last = nullptr;
    // An order takes about 600 bytes, with its customer and its pages.
    for (long number = 0; number < bytes / 600; number++) {
        seed = seed * 1664525 + 1013904223;
        std::string key = "customer:" + std::to_string(seed);
        store.customers[key] = std::string(20 + seed % 60, 'a' + seed % 26);
        Order &order = store.orders[number];
        order = Order{number, seed / 100.0, key, last};
        last = &order;
        store.pages.emplace_back(100 + seed % 200, char(seed));
    }
}

__attribute__((noinline)) static void report(const Store &first, long total) {
    if (total >= 0 && !first.customers.empty()) abort();
}

int main(int argc, char **argv) {
    long gib = argc > 1 ? atol(argv[1]) : 2;
    std::vector<std::thread> threads;
    for (unsigned at = 0; at < stores.size(); at++)
        threads.emplace_back([=] { fill(stores[at], (gib << 30) / long(stores.size()), at + 1); });
    for (auto &thread : threads) thread.join();
    report(stores[0], gib);
}
