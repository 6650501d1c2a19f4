/* Dies five calls deep. */
#include <stdio.h>

struct account { int id; double balance; struct account *parent; char owner[24]; };

static double charge(struct account *account, double amount) {
    struct account *payer = account->parent->parent;
    payer->balance -= amount;
    return payer->balance;
}

static double settle(struct account *account, int months) {
    double total = 0;
    for (int month = 1; month <= months; month++)
        total += charge(account, month * 1.5);
    return total;
}

static double close_year(struct account *accounts, int count) {
    char label[32];
    snprintf(label, sizeof label, "closing %d accounts", count);
    return settle(&accounts[count - 1], 12) + label[0];
}

static double run(int year) {
    struct account accounts[3] = {{1, 10.5, NULL, "first"}, {2, 20.25, NULL, "second"}, {3, 40, NULL, "third"}};
    accounts[2].parent = &accounts[1];
    return close_year(accounts, 3) + year;
}

int main(void) { return run(2026) > 0; }
