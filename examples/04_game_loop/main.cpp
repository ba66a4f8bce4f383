// A game loop: handlers run on this thread, once a frame, when bus.poll() says so.
//
// ManualExecutor replaces the bus's worker threads. Other threads may publish at any moment; what
// they publish waits until the frame in which the game is ready for it.
#include <busway/manual_executor.hpp>
#include <busway/typed.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <thread>

struct Collision {
  static constexpr std::string_view topic = "physics.collision";
  static constexpr bool in_process = true;  // never leaves the game: needs no JSON
  int ship = 0;
  int damage = 0;
};

class Game {
 public:
  void run(int frames) {
    for (int frame = 1; frame <= frames; ++frame) {
      std::cout << "frame " << frame << "\n";
      if (frame == 2)
        std::thread([this] { hit_.publish(Collision{.ship = 1, .damage = 60}); }).join();
      bus_.poll();
    }
  }

 private:
  void on_collision(const Collision& collision) {
    shield_ -= collision.damage;
    std::cout << "  ship " << collision.ship << " has shield " << shield_ << "\n";
    // What a handler publishes is handled in the same poll.
    if (shield_ > 0) {
      bus_.publish(Collision{.ship = collision.ship, .damage = 60});
    } else {
      bus_.publish("game.over");
    }
  }

  busway::Bus bus_{
      {.mode = busway::Mode::async, .executor = std::make_shared<busway::ManualExecutor>()}};
  busway::Topic hit_ = bus_.topic(Collision::topic);
  int shield_ = 100;
  // Last, so that they end before what their handlers touch.
  busway::Subscription collisions_ =
      bus_.subscribe<Collision>([this](const Collision& collision) { on_collision(collision); });
  busway::Subscription over_ =
      bus_.subscribe("game.over", [](const busway::Event&) { std::cout << "  game over\n"; });
};

int main() { Game().run(3); }
